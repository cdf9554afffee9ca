package sshtunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The way through a proxy. The PBX looks up and reaches the proxy, and the proxy the server: its name is not looked up
// here. Once the proxy has opened the way its socket carries SSH as any other does, with the same options.
//
// What that means for silence: the kernel's probes and TCP_INFO tell of the path to the proxy alone, so that Peer is
// about the proxy. Whether the server behind it still answers is what the keepalive finds out, which passes through: a
// server that falls silent behind a proxy that lives is ServerBusy, not a silent peer.

// proxied reports whether the server is reached through a proxy.
func (c *Config) proxied() bool { return c.Via != tunnel.Via{} }

// way is one conversation with a proxy, about the way to the server.
type way struct {
	via      tunnel.Via
	password tunnel.Secret
	mask     mask
	server   tunnel.Server
	from     string        // this machine's address, as the proxy sees it where there is no NAT between
	within   time.Duration // the time it has
}

// ask asks the proxy behind c for the way to the server. Of what follows its answer not one byte is read: that is the
// server's.
func (w *way) ask(c net.Conn) *Failure {
	if w.via.Scheme == tunnel.ViaSOCKS5 {
		return w.askSOCKS(c)
	}
	return w.askHTTP(c)
}

// pass has the proxy open the way to the server. A proxy that gives no answer to the question is tried at its next
// address; an answer is final: the same proxy with the same rules is behind all of them. With a way there are no more
// addresses to try.
func (a *attempt) pass(ctx context.Context, e *entry) (*entry, error) {
	for {
		f := a.askProxy(ctx, e)
		if f == nil {
			a.addrs.only(e.addr)
			return e, nil
		}
		_ = e.sock.Close()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case proxyAnswered(f):
			return nil, f
		}
		a.addrs.fail(e.addr, f)
		if len(a.addrs.left) == 0 {
			return nil, a.addrs.failure()
		}
		var err error
		if e, err = a.reach(ctx, a.addrs.share()); err != nil {
			return nil, err
		}
	}
}

// proxyAnswered reports whether a proxy that opened no way has answered the question.
func proxyAnswered(f *Failure) bool {
	switch {
	case f.Reason == tunnel.ProxyUnreachable:
		return false
	case f.Reason == tunnel.ProxyRefused:
		return f.Diagnosis.Cause != tunnel.ProxyNoSuch
	}
	return true
}

// askProxy asks the proxy at the address of e, in two thirds of the time that address has: the key exchange, or the
// search for why the proxy is mute, needs the rest.
func (a *attempt) askProxy(ctx context.Context, e *entry) *Failure {
	c := e.sock.TCPConn // beneath the socket, which would take the proxy's words for the server's
	within := time.Until(a.addrs.share()) * 2 / 3
	_ = c.SetDeadline(time.Now().Add(within))
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	w := &way{
		via: a.config.Via, password: a.config.Credential.Via, mask: a.config.mask, server: a.config.Server,
		from: e.sock.LocalAddr().(*net.TCPAddr).IP.String(), within: within.Round(time.Second),
	}
	f := w.ask(c)
	if f != nil && f.Diagnosis.Code() == tunnel.Mute && speaksHTTP(ctx, c.RemoteAddr()) {
		return w.httpButMute(f.Err)
	}
	return f
}

// lookup returns the addresses to connect to: the server's, or its proxy's.
func (a *attempt) lookup(ctx context.Context) ([]netip.Addr, error) {
	if !a.config.proxied() {
		return lookup(ctx, a.config.Resolver, a.config.Server.Host)
	}
	all, err := lookup(ctx, a.config.Resolver, a.config.Via.Host)
	if err != nil {
		return nil, viaUnknown(a.config.Via, err)
	}
	return all, nil
}

// whose says of an address that it is the proxy's, where it is.
func (a *attempt) whose(addr string) string {
	if a.config.proxied() {
		return addr + ", the proxy"
	}
	return addr
}

// wayOpened is what is told of a way that stands.
func wayOpened(c *Config) string {
	return fmt.Sprintf("the %s opened the way to %s", atProxy(c.Via), hostPort(c.Server))
}
