package supervisor

import (
	"context"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
)

// recall waits for what is left of the wait of attempts that would end alike, and goes on at their pace. One of them may
// still be ending, because its tunnel was withdrawn a moment ago: an engine that hangs there holds nobody for long.
func (r *round) recall() {
	if r.k.paces.none() {
		return
	}
	w, cred, err := r.k.login(r.ctx, r.o)
	if err != nil {
		return
	}
	r.kind = attemptsOf(w, cred)
	if r.asked {
		r.k.paces.forget(r.kind)
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, longestPause)
	defer cancel()
	r.k.paces.settle(ctx, r.kind)
	if r.past = r.k.paces.of(r.kind); r.past == nil {
		return
	}
	r.pace = r.past.pace
	if r.past.login() {
		r.rank = tried
	}
	r.await(r.past)
}

// await waits until p is over, and says why.
func (r *round) await(p *pausing) {
	left := time.Until(p.until)
	if left <= 0 {
		return
	}
	r.k.awaits(class(p.err))
	r.k.standing.failed(r.o.round, awaits(p.err), why(p.err), p.until)
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.k.wake:
		r.pace.Reset()
	case <-r.ctx.Done():
	}
}

// enter notes that attempts of a kind are under way, whose end those in the round's place are to see.
func (r *round) enter(kind attempts) {
	if kind == (attempts{}) || r.course != nil && r.kind == kind {
		return
	}
	r.part()
	r.kind = kind
	r.course = r.k.paces.enter(kind, r.superseded)
}

// part notes that none is any more, and that all that they leave is left.
func (r *round) part() {
	if r.course != nil {
		r.k.paces.part(r.course)
		r.course = nil
	}
}

// leave remembers how the attempts stand, for those that would end alike.
func (r *round) leave() {
	defer r.part()
	if n := r.flight; n != nil {
		err := r.end(n)
		r.past = &pausing{pace: r.pace, err: err}
		if wait := r.pace.Next(retry.End{Err: err, Took: time.Since(n.began)}); wait != retry.Never {
			r.past.until = time.Now().Add(wait)
		}
	}
	if r.past == nil || r.kind == (attempts{}) {
		return
	}
	if r.past.until.IsZero() { // never: but whoever declares it anew is to see what the server shows
		r.past.until = time.Now().Add(longestPause)
	}
	r.k.paces.leave(r.kind, r.past)
}

// end is how the attempt of n ended, which most likely we broke off.
func (r *round) end(n *line) error {
	if why(n.err).Reason != "" {
		return n.err
	}
	class, last := unreached, error(&failed{Failure{Message: "the attempt before was broken off, because the tunnel was withdrawn"}})
	if n.offered.Load() {
		class = severed
	}
	if r.past != nil {
		last = &failed{why(r.past.err)}
	}
	return &brokenOff{last, class}
}
