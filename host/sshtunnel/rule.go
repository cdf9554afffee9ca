package sshtunnel

import (
	"context"
	"strings"

	"golang.org/x/crypto/ssh"
)

// rule is what OpenSSH's refusal to listen on a socket of its file system tells about the rules of this login. For ports
// it says the same no whatever forbids them; here it gives its reasons in a text for debugging, which x/crypto/ssh throws
// away, but whose length is seen from outside. The socket asked for cannot be made, so nothing comes of a yes either.
type rule int

const (
	ruleUnknown   rule = iota
	ruleAllows         // no reason given: remote forwards are on, only this one cannot be
	ruleDenies         // "port forwarding refused": AllowTcpForwarding no or local
	ruleRestricts      // "Server has disabled streamlocal forwarding.": the key's line, or DisableForwarding
)

const (
	impossiblePath = "/nonexistent/culvert"
	blockSize      = 16 // to which the ciphers that we agree to fill up each packet
)

// askRule asks twice; two answers that differ were mixed up with other traffic. What was once told holds for the link.
func (l *Link) askRule(ctx context.Context) rule {
	l.mu.Lock()
	known := l.rule
	l.mu.Unlock()
	if known != ruleUnknown {
		return known
	}
	r := l.findRule(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = r
	return r
}

func (l *Link) findRule(ctx context.Context) rule {
	if v := l.ServerVersion(); !strings.Contains(v, "OpenSSH") || isWindows(v) {
		return ruleUnknown
	}
	first := l.askRuleOnce(ctx)
	if first == ruleUnknown || l.askRuleOnce(ctx) != first {
		return ruleUnknown
	}
	return first
}

func (l *Link) askRuleOnce(ctx context.Context) rule {
	plain, ok := l.weigh(ctx, "keepalive@openssh.com", nil)
	if !ok || plain < 2*blockSize {
		return ruleUnknown
	}
	refusal, ok := l.weigh(ctx, "streamlocal-forward@openssh.com", ssh.Marshal(&struct{ Path string }{impossiblePath}))
	if !ok {
		return ruleUnknown
	}
	overhead := plain - blockSize // of a packet beside its blocks: length and authentication
	switch refusal - plain {
	case 0:
		return ruleAllows
	case overhead + 3*blockSize:
		return ruleDenies
	case overhead + 4*blockSize:
		return ruleRestricts
	}
	return ruleUnknown
}

// weigh asks the server something that it says no to and returns how many bytes that took it.
func (l *Link) weigh(ctx context.Context, name string, payload []byte) (size uint64, ok bool) {
	before := l.received()
	select {
	case a := <-l.ask(name, payload):
		return l.received() - before, a.err == nil && !a.yes
	case <-ctx.Done():
		return 0, false
	}
}

// received is how many bytes the server has sent.
func (l *Link) received() uint64 {
	if info := l.sock.info(); info != nil {
		return info.Bytes_received
	}
	return 0
}

// evidence says what r is.
func (r rule) evidence() []string {
	switch r {
	case ruleAllows:
		return []string{"the server lets this login listen in general"}
	case ruleDenies:
		return []string{"the server lets nobody listen (AllowTcpForwarding)"}
	case ruleRestricts:
		return []string{"the server lets this login forward nothing at all"}
	}
	return nil
}
