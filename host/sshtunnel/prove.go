package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	proofTimeout = 8 * time.Second
	minSettle    = 3 * time.Second // for an address beside the one that has proved itself, at least
)

// Prove finds out whether the mapping of that name carries data right now, at most for 8 s and without touching the
// service behind it. For an expose kind a nonce goes through the server to its port and must come back here, and its
// answer there; the first time, and until it has held, both loopback addresses are asked too, since the server says yes
// when it got only one of them. For a reach kind the PBX connects to its own listeners. A private reach mapping has
// nothing but the link.
//
// ProofForbidden: the server does not let us ask. RemotePortHeld: something else answers at that port.
// RemotePortForbidden: the server said yes but nothing listens. ServerBusy: no answer.
func (l *Link) Prove(ctx context.Context, name string) error {
	m, err := l.mapping(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	if m.Kind.Reaches() {
		return failure(m.proveLocal(ctx))
	}
	return failure(m.proveRemote(ctx))
}

// failure is f as an error: nil stays nil.
func failure(f *Failure) error {
	if f == nil {
		return nil
	}
	return f
}

// proveRemote runs one round.
func (m *mapping) proveRemote(ctx context.Context) *Failure {
	p := m.remote.prover
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return serverBusy("to carry a proof")
	}
	if f := m.whole(ctx); f != nil {
		return f
	}
	hosts := []string{"localhost"}
	if !p.checked {
		hosts = append(hosts, "127.0.0.1", "::1")
	}
	refused := m.traffic.refused.Load()
	found := m.runRound(ctx, hosts)
	f := m.judgeFound(found)
	if f != nil && m.traffic.refused.Load() > refused {
		f = crowded(m.Remote.Port) // one of those turned away may have been the proof
	}
	p.partial = found.partial()
	if f != nil {
		p.checked = false
		return f
	}
	p.checked = p.checked || !found.hold(silence)
	return nil
}

// whole makes sure that the server has given the port, and asks for it again after a round that did not find all of it.
func (m *mapping) whole(ctx context.Context) *Failure {
	if m.remote.prover.partial {
		var f *Failure
		errors.As(m.renew(ctx), &f)
		return f
	}
	if !m.remote.granted() {
		return serverBusy("to open its port for a mapping")
	}
	return nil
}

// runRound asks all hosts side by side. Once the first, localhost, has proved itself, the others get a little longer
// than it took, not the whole time.
func (m *mapping) runRound(ctx context.Context, hosts []string) findings {
	p := m.remote.prover
	r := p.begin(hosts)
	defer p.finish(r)
	others, settle := context.WithCancel(ctx)
	defer settle()
	verdicts := make([]verdict, len(hosts))
	var all sync.WaitGroup
	for i, t := range r.tickets[1:] {
		all.Go(func() { verdicts[i+1] = m.askPort(others, t) })
	}
	verdicts[0] = m.askPort(ctx, r.tickets[0])
	timer := time.AfterFunc(max(minSettle, 4*time.Since(r.began)), settle)
	all.Wait()
	timer.Stop()
	found := findings{}
	for i, h := range hosts {
		found[h] = verdicts[i]
	}
	return found
}

// askPort has the server connect to one address of its port and sees who is there.
func (m *mapping) askPort(ctx context.Context, t *ticket) verdict {
	ch, err := m.openForCheck(ctx, t.host)
	var refused *ssh.OpenChannelError
	var lost *Failure
	switch {
	case forbids(err):
		return forbidden
	case errors.As(err, &refused) && refused.Reason == ssh.ConnectionFailed:
		return nobody
	case errors.As(err, &lost) && lost.Reason == tunnel.LinkLost:
		return cut
	case err != nil:
		return silence
	}
	m.link.allowed()
	replied := make(chan bool, 1)
	if !m.link.spawn(func() { replied <- exchange(ch, t.nonce) }) {
		return cut
	}
	defer ch.Close() // ends exchange, once the server answers
	select {
	case ok := <-replied:
		if ok && t.came() {
			return itself
		}
		if m.link.ctx.Err() != nil {
			return cut
		}
		return stranger
	case <-ctx.Done():
		return noReturn
	}
}

// exchange sends nonce and reports whether its answer came back. The first byte that is not the answer's ends it.
func exchange(c io.ReadWriter, nonce []byte) bool {
	if _, err := c.Write(nonce); err != nil {
		return false
	}
	want := answerTo(nonce)
	got := make([]byte, 0, len(want))
	for len(got) < len(want) {
		n, err := c.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if !bytes.HasPrefix(want, got) || err != nil && len(got) < len(want) {
			return false
		}
	}
	return true
}
