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
// It is a chore: attempts are made, and it is decided which link is what, by one goroutine at a time, and while a link
// carries the tunnel by none.
type round struct {
	k       *keeper
	o       *order
	ctx     context.Context // of all links
	cancel  context.CancelFunc
	working chore
	begun   bool
	news    chan struct{} // poked when something became of a link
	rank    int           // of its login among those that wait, see turn
	asked   bool          // a person has given the order

	pace   *retry.Policy
	kind   attempts // of the last login
	course *course  // while the attempts of that kind leave something behind, nil else
	past   *pausing // after the last attempt, nil where none has failed since a link carried the tunnel
	flight *line    // while an attempt runs, nil else

	carrier   *line     // the one that carries the tunnel, nil before the first
	began     time.Time // the last attempt
	since     time.Time // when what came of it has begun to carry the tunnel
	rest      *line     // nil where none rests
	messenger *line     // nil where none was given up
	links     sync.WaitGroup
}

func newRound(k *keeper, o *order) *round {
	r := &round{k: k, o: o, news: make(chan struct{}, 1), pace: pace()}
	r.ctx, r.cancel = context.WithCancel(k.ctx)
	return r
}

func (r *round) begin() { r.working.begin(r.ctx, r.work) }

// stop ends it, and returns when no link is left.
func (r *round) stop() {
	r.cancel()
	r.working.end()
	r.leave()
	r.links.Wait()
}

// stir has it looked at what became of the links.
func (r *round) stir() {
	poke(r.news)
	r.working.hurry()
}

// work makes attempt after attempt until a link carries the tunnel, and again once that does so no more. It heeds the
// round's context, which has ended before any link's: an attempt that was broken off must not count as one that failed.
func (r *round) work(context.Context) (never time.Time) {
	if !r.begun {
		r.begun = true
		unpoke(r.k.wake)
		r.recall()
		_ = retry.Run(r.ctx, r.attempt, r.loop())
	}
	for r.ctx.Err() == nil {
		err := r.over(r.carrier)
		if err == nil {
			break
		}
		end := retry.End{Err: err, Took: time.Since(r.began), Lived: time.Since(r.since)}
		_ = retry.Resume(r.ctx, end, r.attempt, r.loop())
	}
	return never
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

// attempt makes one link and has it carry the tunnel. Where another rests, that one goes on instead if it answers before
// the new one stands, or when it is asked then. Its error is a *failed, or that of the context.
func (r *round) attempt(ctx context.Context, _ func()) error {
	r.began = time.Now()
	r.k.awaits("")
	if r.resting().revived() {
		r.carry(r.takeUp())
		return nil
	}
	n, err := r.dial(ctx)
	switch {
	case err != nil:
		return err
	case n == nil:
		r.carry(r.takeUp())
		return nil
	case r.resting().wakes(ctx):
		n.cancel()
		r.carry(r.takeUp())
		return nil
	case closed(n.ended): // meanwhile
		return n.err
	}
	r.giveUp()
	r.carry(n)
	return nil
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
		turn := r.k.budget.apply(scopeOf(t.Server, t.Via), r.k.ref, loginOf(t.Server, cred), r.ranked(t))
		if closed(turn.ready) {
			r.rank = tried
			return t, cred, turn, nil
		}
		err = r.wait(ctx, turn)
		if err != nil || !closed(turn.ready) {
			turn.end(Failure{})
			return t, cred, nil, err
		}
		now, fresh, err := r.login(ctx) // it may have waited for long
		if err == nil && now.Server == t.Server && loginOf(now.Server, fresh) == turn.login {
			r.rank = tried
			return now, fresh, turn, nil
		}
		turn.end(Failure{})
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
				state, why := r.postponed(t)
				r.k.standing.failed(r.o.round, state, why, next)
			}
		case <-r.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// postponed is how the tunnel is while its login waits for its turn: blocked as it was where that login was refused, else
// waiting because of others.
func (r *round) postponed(t *turn) (tunnel.State, Failure) {
	if own := t.denied(); own != (Failure{}) {
		return tunnel.Blocked, r.k.named(own)
	}
	return tunnel.Waiting, spared(t.culprits())
}

// carry lets the tunnel run over n until n is gone, or falls silent and rests.
func (r *round) carry(n *line) {
	r.carrier, r.since = n, time.Now()
	r.past, r.flight = nil, nil
	r.k.paces.forget(r.kind)
	r.part()
	n.begin()
}

// over is why n carries the tunnel no more, nil where it does.
func (r *round) over(n *line) error {
	if closed(n.ended) {
		return n.err
	}
	return r.restIfSilent(n)
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
