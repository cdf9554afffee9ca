package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	minSettle    = 3 * time.Second        // for the other loopback addresses when one has proved itself, at least
	minSettleFar = 250 * time.Millisecond // for those beside loopback, which a server that works asks as fast
	maxSaid      = 80                     // characters of a stranger's first words
)

// Prove finds out whether the mapping of that name carries data right now, as long as Patience and without touching the
// service behind it. For an expose kind a nonce goes through the server to its port and must come back here, and its
// answer there; the first time, and until it has held, both loopback addresses are asked too, since the server says yes
// when it got only one of them, and addresses at which only a port is met that all hosts can connect to. A reach kind has
// nothing to prove here but the link: its way in is not the engine's.
//
// ProofForbidden: the server does not let us ask. RemotePortHeld: something else answers at that port.
// RemotePortForbidden: the server said yes but nothing listens. WiderThanDeclared, NarrowerThanDeclared: it carries data,
// and others can connect to it than were to, each time until the port is asked for anew. ServerBusy: no answer.
func (l *Link) Prove(ctx context.Context, name string) error {
	m, err := l.mapping(name)
	if err != nil || m.Kind.Reaches() {
		return err
	}
	ctx, cancel := l.withPatience(ctx)
	defer cancel()
	f := m.proveRemote(ctx)
	if f == nil {
		l.shed() // it may be long until the next keepalive
	}
	return failure(f)
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
		return m.link.noAnswer("to carry a proof")
	}
	if f := m.whole(ctx); f != nil {
		return f
	}
	full := !p.checked
	refused := m.traffic.refused.Load()
	found := m.runRound(ctx, m.toAsk(full))
	f := m.judgeFound(found)
	if f != nil && m.traffic.refused.Load() > refused {
		f = crowded(m.Remote.Port) // one of those turned away may have been the proof
	}
	p.partial = found.partial() || m.strangerOutside(found) != ""
	m.shares(sharedWith(f))
	if f != nil {
		p.checked = false
		p.offers(tunnel.BoundUnknown, nil)
		return f
	}
	if full {
		m.measure(found)
	}
	return p.amiss
}

// toAsk are the hosts of a round.
func (m *mapping) toAsk(full bool) []string {
	if !full {
		return []string{"localhost"}
	}
	return slices.DeleteFunc(m.link.proofHosts(), func(h string) bool { return m.remote.prover.mute[h] >= maxMute })
}

// measure notes what a full round has found; it was one unless something was left unanswered that may yet be.
func (m *mapping) measure(found findings) {
	p := m.remote.prover
	p.checked = true
	for host, f := range found {
		if f.verdict != silence {
			continue
		}
		if p.mute == nil {
			p.mute = map[string]int{}
		}
		if p.mute[host]++; slices.Contains(loopbacks, host) || p.mute[host] < maxMute {
			p.checked = false
		}
	}
	bound := boundOf(found, m.link.config.LAN, m.link.ServerVersion())
	p.offers(bound, m.judgeBound(bound, found))
}

// whole makes sure that the server has given the port, and asks for it again after a round that did not find all of it.
func (m *mapping) whole(ctx context.Context) *Failure {
	if m.remote.prover.partial {
		var f *Failure
		errors.As(m.renew(ctx), &f)
		return f
	}
	if !m.remote.granted() {
		return m.link.noAnswer("to open its port for a mapping")
	}
	return nil
}

// runRound asks all hosts side by side. Once the first, localhost, has proved itself, the others get a little longer
// than it took, not the whole time: those beside loopback less, because a firewall may swallow the question.
func (m *mapping) runRound(ctx context.Context, hosts []string) findings {
	p := m.remote.prover
	r := p.begin(hosts)
	defer p.finish(r)
	if len(hosts) == 1 { // as in most rounds
		return findings{hosts[0]: m.askPort(ctx, r.tickets[0])}
	}
	near, settleNear := context.WithCancel(ctx)
	defer settleNear()
	far, settleFar := context.WithCancel(near)
	defer settleFar()
	verdicts := make([]finding, len(hosts))
	var all sync.WaitGroup
	for i, t := range r.tickets[1:] {
		within := near
		if !slices.Contains(loopbacks, t.host) {
			within = far
		}
		all.Go(func() { verdicts[i+1] = m.askPort(within, t) })
	}
	verdicts[0] = m.askPort(ctx, r.tickets[0])
	enough := 4 * time.Since(r.began)
	defer time.AfterFunc(max(minSettle, enough), settleNear).Stop()
	defer time.AfterFunc(max(minSettleFar, enough), settleFar).Stop()
	all.Wait()
	found := findings{}
	for i, h := range hosts {
		found[h] = verdicts[i]
	}
	return found
}

// askPort has the server connect to one address of its port and sees who is there.
func (m *mapping) askPort(ctx context.Context, t *ticket) finding {
	ch, err := m.openForCheck(ctx, t.host, t.send)
	m.remote.prover.isAnswered()
	var refused *ssh.OpenChannelError
	var lost *Failure
	switch {
	case forbids(err):
		t.unsent = true
		return finding{verdict: forbidden}
	case errors.As(err, &refused) && refused.Reason == ssh.ConnectionFailed:
		t.unsent = true
		return finding{verdict: nobody, refused: saysRefused(refused), said: tunnel.Clean(refused.Message, maxSaid)}
	case errors.As(err, &lost) && lost.Reason == tunnel.LinkLost:
		return finding{verdict: cut}
	case err != nil:
		return finding{verdict: silence}
	}
	m.link.connects()
	return m.meetAt(ctx, ch, t)
}

// meetAt sends the ticket's nonce through ch and sees what comes of it.
func (m *mapping) meetAt(ctx context.Context, ch *channel, t *ticket) finding {
	replied := make(chan reply, 1)
	if !m.link.spawn(func() { replied <- exchange(ch, t.nonce) }) {
		return finding{verdict: cut}
	}
	defer ch.Close() // ends exchange, once the server answers
	passed, stop := m.link.passage(ctx)
	defer stop()
	select {
	case r := <-replied:
		at := m.link.config.Crossing.where(m.Remote.Port, t.nonce)
		switch {
		case r.whole && t.came():
			return finding{verdict: itself}
		case r.whole && at != nil:
			return finding{verdict: elsewhere, at: at}
		case m.link.ctx.Err() != nil:
			return finding{verdict: cut}
		}
		return m.unlessOurs(ctx, t, finding{verdict: stranger, said: r.words()})
	case <-ctx.Done():
		if t.came() || !isClosed(passed) {
			return finding{verdict: silence} // of the server, or of the path to it
		}
		return finding{verdict: noReturn}
	}
}

// unlessOurs is f, unless it may be our own service that was heard: a connection went to it of which nobody knows whether it
// is t's. Then it is awaited what comes on that first, as long as ctx.
func (m *mapping) unlessOurs(ctx context.Context, t *ticket, f finding) finding {
	select {
	case <-t.met:
	case <-m.remote.prover.noStrays():
	case <-ctx.Done():
		return finding{verdict: silence}
	}
	switch {
	case t.came():
		return finding{verdict: silence} // asked again, it is held
	case m.link.ctx.Err() != nil:
		return finding{verdict: cut}
	}
	return f
}

// send sends the nonce on a connection that was opened too late for anybody to wait for its answer: it says whose that is.
func (t *ticket) send(ch *channel) { _, _ = ch.Write(t.nonce) }

// reply is what came back for a nonce.
type reply struct {
	whole bool   // its answer
	got   []byte // what came, or the beginning of it
}

// words are the first words of whoever replied, as they may be shown.
func (r reply) words() string {
	line, _, _ := strings.Cut(string(r.got), "\n")
	return tunnel.Clean(strings.TrimRight(line, "\r"), maxSaid)
}

// exchange sends nonce and waits for its answer. The first piece that is not the answer's ends it.
func exchange(c io.ReadWriter, nonce []byte) reply {
	if _, err := c.Write(nonce); err != nil {
		return reply{}
	}
	want := answerTo(nonce)
	got := make([]byte, 0, max(len(want), 2*maxSaid))
	for len(got) < len(want) {
		n, err := c.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if !bytes.HasPrefix(want, got[:min(len(got), len(want))]) || err != nil && len(got) < len(want) {
			return reply{got: got}
		}
	}
	return reply{whole: len(got) == len(want), got: got}
}
