package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// round is one order while it is kept: attempt after attempt, and the links that came of them. One link carries the
// tunnel. One that fell silent rests while a new one is tried beside it: nothing is asked of it, its connections stay,
// and whichever answers first goes on. One that was given up for another is a messenger, until its server has heard so.
//
// Its goroutine, that of the attempts, alone decides which link is what.
type round struct {
	k         *keeper
	o         *order
	ctx       context.Context // of all links
	rearrange chan struct{}   // poked when the mappings changed
	news      chan struct{}   // poked when something became of a link
	rank      int             // of its login among those that wait, see turn
	asked     bool            // a person has given the order

	pace   *retry.Policy
	kind   attempts // of the last login
	course *course  // while the attempts of that kind leave something behind, nil else
	past   *pausing // after the last attempt, nil where none has failed since a link carried the tunnel
	flight *line    // while an attempt runs, nil else

	rest      *line // nil where none rests
	messenger *line // nil where none was given up
	links     sync.WaitGroup
}

func newRound(ctx context.Context, k *keeper, o *order) *round {
	return &round{k: k, o: o, ctx: ctx, rearrange: make(chan struct{}, 1), news: make(chan struct{}, 1), pace: pace()}
}

// run makes attempt after attempt until ctx ends, and returns when no link is left.
func (r *round) run() {
	defer r.links.Wait()
	unpoke(r.k.wake)
	r.recall()
	_ = retry.Run(r.ctx, r.attempt, r.loop())
	r.leave()
}

// loop is how attempts follow each other.
func (r *round) loop() retry.Loop {
	return retry.Loop{
		Policy: r.pace, Wake: r.k.wake,
		Waiting: func(end retry.End, next time.Time) {
			r.past, r.flight = &pausing{pace: r.pace, err: end.Err, until: next}, nil
			r.enter(r.kind)
			r.k.awaits(class(end.Err))
			r.k.standing.failed(r.o.round, awaits(end.Err), why(end.Err), next)
		},
	}
}

// attempt makes one link and returns when that failed, or when the link is gone or fell silent. Where another rests,
// that one goes on instead if it answers before the new one stands, or when it is asked then. It calls alive when a
// link carries the tunnel. Its error is a *failed, or that of the context.
func (r *round) attempt(ctx context.Context, alive func()) error {
	r.k.awaits("")
	if r.resting().revived() {
		return r.carry(r.takeUp(), alive)
	}
	n, err := r.dial(ctx)
	switch {
	case err != nil:
		return err
	case n == nil:
		return r.carry(r.takeUp(), alive)
	case r.resting().wakes(ctx):
		n.cancel()
		return r.carry(r.takeUp(), alive)
	case closed(n.ended): // meanwhile
		return n.err
	}
	r.giveUp()
	return r.carry(n, alive)
}

// dial makes a new link and returns it when it stands; nil where the one that rests answered before.
func (r *round) dial(ctx context.Context) (*line, error) {
	t, cred, turn, err := r.turn(ctx)
	if turn == nil || err != nil {
		return nil, err
	}
	r.k.standing.retry(r.o.round)
	defer r.k.tell(ctx, r.o)()
	n := startLine(r, t, cred, turn)
	r.flight = n
	for !r.resting().revived() {
		select {
		case <-n.stood:
			return n, nil
		case <-n.ended:
			return nil, n.err
		case <-r.news:
		}
	}
	n.cancel()
	return nil, nil
}

// turn waits until the login may be tried at its server, and returns what it is then; no turn where the link that rests
// answers before.
func (r *round) turn(ctx context.Context) (tunnel.Tunnel, tunnel.Credential, *turn, error) {
	for {
		t, cred, err := r.login(ctx)
		if err != nil {
			return t, cred, nil, err
		}
		turn := r.k.budget.apply(scopeOf(t.Server, t.Via), loginOf(t.Server, cred), r.ranked(t))
		if closed(turn.ready) {
			r.rank = tried
			return t, cred, turn, nil
		}
		err = r.wait(ctx, turn)
		if err != nil || !closed(turn.ready) {
			turn.end(false)
			return t, cred, nil, err
		}
		now, fresh, err := r.login(ctx) // it may have waited for long
		if err == nil && now.Server == t.Server && loginOf(now.Server, fresh) == turn.login {
			r.rank = tried
			return now, fresh, turn, nil
		}
		turn.end(false)
	}
}

// login is the tunnel as it is now, with what it logs in with: attempts of that kind are under way from here on, and none
// is made where the order was superseded before anybody could see that.
func (r *round) login(ctx context.Context) (tunnel.Tunnel, tunnel.Credential, error) {
	w, cred, err := r.k.login(ctx, r.o)
	if err != nil {
		return w.Tunnel, cred, err
	}
	r.enter(attemptsOf(w, cred))
	if r.superseded() {
		<-ctx.Done()
	}
	return w.Tunnel, cred, ctx.Err()
}

// superseded reports whether the round is to end.
func (r *round) superseded() bool { return r.k.order().supersedes(r.o) }

// ranked is the rank of the next login. A host key that is pinned says that logins at that server have worked.
func (r *round) ranked(t tunnel.Tunnel) int {
	if r.rank == untried && t.Pin != (tunnel.Pin{}) {
		return promising
	}
	return r.rank
}

// wait waits for a turn, or for the link that rests to answer, and says what is waited for.
func (r *round) wait(ctx context.Context, t *turn) error {
	for !r.resting().revived() {
		select {
		case <-t.ready:
			return nil
		case <-t.moved:
			if next := t.next(); !next.IsZero() {
				r.k.standing.failed(r.o.round, tunnel.Blocked, spared(), next)
			}
		case <-r.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// carry lets the tunnel run over n until n is gone, or falls silent and rests.
func (r *round) carry(n *line, alive func()) error {
	alive()
	r.past, r.flight = nil, nil
	r.k.paces.forget(r.kind)
	r.part()
	n.begin()
	for {
		_, at := n.link.look()
		if err := r.restIfSilent(n); err != nil {
			return err
		}
		select {
		case <-n.ended:
			return n.err
		case <-at.changed:
		case <-at.turned:
		case <-r.news:
		}
	}
}

// restIfSilent has n rest where it is silent, and returns why.
func (r *round) restIfSilent(n *line) error {
	why := n.silence()
	if why == (Failure{}) {
		return nil
	}
	r.rest = n
	n.pause()
	r.k.standing.rest(r.o.round, n.link, why)
	return &failed{why}
}

// resting is the link that rests, nil where there is none or it is gone by now.
func (r *round) resting() *line {
	if r.rest != nil && r.rest.over() {
		r.rest = nil
	}
	return r.rest
}

// takeUp has the link that rests carry the tunnel again.
func (r *round) takeUp() *line {
	n := r.rest
	r.rest = nil
	r.k.log.Info("the link that was silent answers again and goes on", "since", n.since)
	unpoke(r.k.wake)
	r.k.standing.resume(r.o.round, n.link)
	return n
}

// giveUp makes a messenger of the link that rests. One that is still on its way is dropped: there is one at most.
func (r *round) giveUp() {
	old := r.resting()
	if old == nil {
		return
	}
	r.rest = nil
	r.k.log.Info("the link that was silent is given up for a new one", "since", old.since)
	if r.messenger != nil {
		r.messenger.cancel()
	}
	r.messenger = old
	r.k.standing.leave(r.o.round, old.link)
	old.retire()
}
