package supervisor

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// guarded is a Link of which nothing is asked while its server may not hear it: what is sent into a silent line is sent
// again later and later, and delays the moment at which it is known that the line lives again.
type guarded struct {
	Link
	engine Engine
	second *second               // the link beside it, nil where it is itself one
	told   func()                // told when its peer changed, beside those who look
	lives  func(asked time.Time) // told of a proof that came back from the server, and when it was asked for

	mu     sync.Mutex
	gone   bool          // the address it comes from is no longer this machine's
	held   bool          // it rests
	turned chan struct{} // closed when one of these two or its peer changed
	heard  time.Time     // when the server last answered
}

func guard(l Link, e Engine, told func(), lives func(asked time.Time)) *guarded {
	g := &guarded{Link: l, engine: e, told: told, lives: lives, turned: make(chan struct{}), heard: time.Now()}
	l.Watch(g.turn)
	return g
}

// patience is how long an answer is waited for, on the path as it is now.
func (g *guarded) patience() time.Duration { return max(g.Link.Patience(), patience) }

// cycle is the time from question to question: less than usual on a path on which answers are waited for longer.
func (g *guarded) cycle() time.Duration { return max(min(cycle, honesty-g.patience()), urgency) }

// peer is how the server's machine answers.
func (g *guarded) peer() Peer {
	p, _ := g.look()
	return p
}

// look is peer, and what is closed when that changes.
func (g *guarded) look() (Peer, <-chan struct{}) {
	g.mu.Lock()
	gone, turned := g.gone, g.turned
	g.mu.Unlock()
	if gone {
		return PeerSilent, turned
	}
	return g.Link.Peer(), turned
}

// move says which addresses this machine has now.
func (g *guarded) move(has func(netip.Addr) bool) {
	local := g.Link.Local()
	g.set(&g.gone, local.IsValid() && !has(local))
}

// hold keeps questions back, or lets them go.
func (g *guarded) hold(on bool) { g.set(&g.held, on) }

func (g *guarded) set(what *bool, to bool) {
	g.mu.Lock()
	changed := *what != to
	*what = to
	g.mu.Unlock()
	if changed {
		g.turn()
	}
}

// turn tells all that something about the peer changed.
func (g *guarded) turn() {
	g.mu.Lock()
	close(g.turned)
	g.turned = make(chan struct{})
	g.mu.Unlock()
	g.told()
}

// wake asks the server for a sign of life though it does not answer.
func (g *guarded) wake(ctx context.Context) error {
	g.mu.Lock()
	gone := g.gone
	g.mu.Unlock()
	if gone {
		return errLate
	}
	return g.answered(g.Link.Wake(ctx))
}

// Keepalive is the link's; an answer is noted.
func (g *guarded) Keepalive(ctx context.Context) error { return g.answered(g.Link.Keepalive(ctx)) }

// Prove is the link's; an answer is noted. It is asked of what the server exposes.
func (g *guarded) Prove(ctx context.Context, name string) error {
	asked := time.Now()
	err := g.answered(g.Link.Prove(ctx, name))
	if err == nil {
		g.lives(asked)
	}
	return err
}

// answered notes that the server answered, if err is nil, and returns err. Only what went to the server and back says so: of
// a question that is answered on this machine, as the proofs of its own ports are, a server that is gone knows nothing.
func (g *guarded) answered(err error) error {
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heard = time.Now()
	return nil
}

// lastHeard is when the server last answered, and whether the link's own address is gone since.
func (g *guarded) lastHeard() (at time.Time, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heard, g.gone
}

// ask puts a question about the link as soon as that does not rest, see inquire.
func (g *guarded) ask(ctx context.Context, limit time.Duration, question func(context.Context) error) error {
	return g.asks(ctx, g.free, limit, question)
}

// inquire puts a question about the link as soon as the server can hear it, with a deadline from then on. An answer that did
// not come in time, and for which the engine knows no better reason, is errLate; it counts only where the server could be
// heard all the while, else the question is put again. An answer that says that the link is gone is held back for a
// moment, in which ctx ends and says so for all.
func (g *guarded) inquire(ctx context.Context, limit time.Duration, question func(context.Context) error) error {
	return g.asks(ctx, g.clear, limit, question)
}

func (g *guarded) asks(ctx context.Context, may func() (bool, <-chan struct{}), limit time.Duration, question func(context.Context) error) error {
	for {
		turned, err := await(ctx, may)
		if err != nil {
			return err
		}
		err, late := g.put(ctx, limit, question)
		if !late || !closed(turned) || ctx.Err() != nil {
			return err
		}
	}
}

// clear reports whether the server can hear a question.
func (g *guarded) clear() (bool, <-chan struct{}) {
	p, turned := g.look()
	return p == PeerAnswers, turned
}

// free reports whether the server can hear a question and may be asked any.
func (g *guarded) free() (bool, <-chan struct{}) {
	clear, turned := g.clear()
	g.mu.Lock()
	defer g.mu.Unlock()
	return clear && !g.held, turned
}

// await waits until may says yes; what it returns is closed when that may have changed.
func await(ctx context.Context, may func() (bool, <-chan struct{})) (<-chan struct{}, error) {
	for {
		yes, turned := may()
		if yes {
			return turned, nil
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// put puts a question once. late says that the server did not answer in time.
func (g *guarded) put(ctx context.Context, limit time.Duration, question func(context.Context) error) (err error, late bool) {
	asking, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	if err = question(asking); err == nil {
		return nil, false
	}
	switch failure(g.engine, err).Reason {
	case "":
		if context.Cause(asking) == errLate {
			return errLate, true
		}
	case tunnel.ServerBusy:
		return err, true
	case tunnel.LinkLost:
		sleepUntil(ctx, time.Now().Add(time.Second))
	}
	return err, false
}
