package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// branch is one run of the engine for a second link, and the link that comes of it.
type branch struct {
	s      *second
	ctx    context.Context
	cancel context.CancelFunc // ends it, whatever it does
	place  *place
	turn   *turn
	via    tunnel.Via

	stood  chan struct{} // closed when link and since are there
	link   *guarded
	since  time.Time
	enough chan struct{}   // closed when nobody needs it any more
	frozen chan struct{}   // closed when its server has not answered for too long
	riding context.Context // ends when the riders shall alight
	asking chore           // whether the server gives a sign of life
	silent time.Time       // since when it gives none; asking's own
	aboard sync.WaitGroup  // of riders; none joins once it is not the second's present branch
	over   chan struct{}   // closed when it is through, or given up and its server has yet to hear so
	err    error           // why, once over is closed

	mu   sync.Mutex
	busy Failure // set while its server does not answer
}

func newBranch(s *second, t tunnel.Tunnel, turn *turn) *branch {
	b := &branch{
		s: s, turn: turn, via: t.Via, place: &place{gate: s.k.gate, server: t.Server},
		stood: make(chan struct{}), enough: make(chan struct{}), frozen: make(chan struct{}), over: make(chan struct{}),
	}
	b.ctx, b.cancel = context.WithCancel(s.ctx)
	return b
}

// run is the whole life of the branch.
func (b *branch) run(plan *Attempt) {
	defer b.cancel()
	err := b.s.k.config.Engine.Run(b.ctx, plan, working(b.serve))
	b.place.giveBack()
	b.turn.end(failure(b.s.k.config.Engine, err))
	if !closed(b.over) {
		b.end(b.s.k.conclude(err, closed(b.stood)))
	}
}

func (b *branch) end(err error) {
	b.err = err
	close(b.over)
}

// serve carries the riders until the link is gone, given up, or needed no more.
func (b *branch) serve(ctx context.Context, l Link) error {
	b.link, b.since = guard(l, b.s.k.config.Engine, func() {}, func(time.Time) {}), time.Now()
	b.turn.worked()
	riding, alight := context.WithCancel(ctx)
	b.riding = riding
	b.asking.begin(riding, b.pulse)
	close(b.stood)
	b.s.set(b, Failure{})
	err, retire := b.last(ctx)
	b.s.set(nil, b.s.k.explain(err, true))
	alight()
	b.aboard.Wait()
	b.asking.end()
	if err != nil || retire {
		b.s.remember(b)
	}
	if retire {
		l.Retire()
		b.s.send(b)
		b.end(err)
	}
	return err
}

// last returns when the link is to end, with why, and whether its server can only be told by a messenger.
func (b *branch) last(ctx context.Context) (why error, retire bool) {
	alone := time.NewTimer(aloneFor)
	defer alone.Stop()
	for {
		peer, turned := b.link.look()
		_, mainTurned := b.s.main.look()
		if peer != PeerAnswers {
			b.place.giveBack() // its first answer may be long in coming
		}
		alone.Stop()
		if b.alone() {
			alone.Reset(aloneFor)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx), false
		case <-b.enough:
			return nil, b.link.peer() != PeerAnswers || closed(b.s.given)
		case <-b.frozen:
			return &failed{busy(b.via, time.Now().Add(-replaceAfter))}, true
		case <-alone.C:
			return &failed{Failure{
				Reason:  tunnel.LinkLost,
				Message: "its server's machine is not heard any more, though the main link is: it is made anew",
				Remedy:  "nothing to do unless it repeats: then look at the network in between",
			}}, true
		case <-turned:
		case <-mainTurned:
		}
		b.s.k.standing.hush()
	}
}

// alone reports whether the link is silent while the main link is not. Where both are, the second shares the fate of the
// main link.
func (b *branch) alone() bool {
	return b.link.peer() == PeerSilent && b.s.main.peer() == PeerAnswers
}

// pulse asks the server for a sign of life and returns when it is to be asked again: after a cycle, sooner while it gives
// none, and not any more once the link counts as frozen.
func (b *branch) pulse(ctx context.Context) (next time.Time) {
	asked, limit, pause := time.Now(), b.link.patience(), b.link.cycle()
	err := b.link.ask(ctx, limit, b.link.Keepalive)
	b.place.giveBack()
	switch {
	case ctx.Err() != nil:
		return time.Time{}
	case err == nil:
		b.silent = time.Time{}
		b.tell(Failure{})
	default:
		pause = urgency
		if b.silent.IsZero() {
			b.silent = later(asked, time.Now().Add(-limit))
		}
		b.tell(busy(b.via, b.silent))
		if time.Since(b.silent) >= replaceAfter {
			close(b.frozen)
			return time.Time{}
		}
	}
	return asked.Add(pause)
}

// tell notes whether the server answers. The riders hear at once that it does not, and ask for themselves from then on.
func (b *branch) tell(busy Failure) {
	b.mu.Lock()
	changed := b.busy.Reason != busy.Reason
	b.busy = busy
	b.mu.Unlock()
	if !changed || busy == (Failure{}) {
		return
	}
	for _, c := range b.s.aboard(b) {
		c.listener(&failed{busy})
	}
}

// unanswered is why nothing that rides on the branch is proved now: its server does not answer. No branch has none.
func (b *branch) unanswered() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy == (Failure{}) {
		return nil
	}
	return &failed{b.busy}
}
