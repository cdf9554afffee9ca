package supervisor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	wakePatience = 2 * time.Second // for the answer of a link that rests, once another stands
	messengerFor = 2 * time.Hour   // is how long the engine tries to tell a server that its link was given up
)

// line is one run of the engine and the link that comes of it. It does what its round says and tells it what became of
// the link. A nil line is none: it neither stands nor answers.
type line struct {
	r      *round
	cancel context.CancelFunc // ends it, whatever it does
	place  *place
	turn   *turn
	via    tunnel.Via
	began  time.Time

	offered atomic.Bool // the login is, and not answered yet

	stood     chan struct{}   // closed when what follows is there
	ctx       context.Context // ends when the link is over
	link      *guarded
	since     time.Time
	wanted    context.Context // ends when the link is given up for another, or gone
	part      func()          // ends wanted
	second    *second
	crew      *crew         // nil until it carries the tunnel; from then on it has these two chores, also while it rests:
	asking    chore         // whether the server gives a sign of life
	arranging chore         // what it carries, when that changes
	retired   chan struct{} // closed when the link is given up for another
	parting   time.Time     // when that was
	leaving   sync.Once
	left      chan struct{} // closed when nothing of the link is used any more
	ended     chan struct{} // closed when the engine is through with it
	err       error         // why, once ended is closed

	mu     sync.Mutex
	gone   bool // it is left, or about to be
	rests  bool
	awake  bool          // it answered while it rested
	silent time.Time     // since when keepalives go unanswered
	due    time.Time     // when the next keepalive is, as far as proofs tell
	late   time.Duration // of that time is the precedence of a proof
}

// startLine starts an attempt.
func startLine(r *round, t tunnel.Tunnel, cred tunnel.Credential, turn *turn) *line {
	ctx, cancel := context.WithCancel(r.ctx)
	n := &line{
		r: r, cancel: cancel, place: &place{gate: r.k.gate, server: t.Server}, turn: turn, via: t.Via, began: time.Now(),
		stood: make(chan struct{}), retired: make(chan struct{}),
		left: make(chan struct{}), ended: make(chan struct{}),
	}
	plan := r.k.plan(r.o, t, cred, n.place)
	tell := plan.Stage
	plan.Stage = func(s Step) {
		n.note(s)
		tell(s)
	}
	if old := r.resting(); old != nil {
		plan.Earlier = old.since
	}
	r.links.Go(func() {
		defer cancel()
		n.run(ctx, plan)
	})
	return n
}

// run is the whole life of the line.
func (n *line) run(ctx context.Context, plan *Attempt) {
	n.second = newSecond(ctx, n)
	n.conclude(ctx, n.r.k.config.Engine.Run(ctx, plan, n.stand))
	close(n.ended)
	n.r.stir()
	n.second.drain()
}

// conclude notes how the engine ended.
func (n *line) conclude(ctx context.Context, err error) {
	n.place.giveBack()
	if why := failure(n.r.k.config.Engine, err); !why.refusesLogin() && n.brokenOff(ctx) {
		n.turn.breakOff()
	} else {
		n.turn.end(why)
	}
	n.err = n.r.k.conclude(err, closed(n.stood))
	if closed(n.stood) {
		n.r.k.parted(n, ctx.Err() != nil)
	}
}

// note notes whether the login is offered. A stage that failed leaves that as it was.
func (n *line) note(s Step) {
	if s.Failure == (Failure{}) {
		n.offered.Store(!s.Done && offers(s.Stage, n.via))
	}
}

// brokenOff reports whether the line ended because ctx did, while its login was offered.
func (n *line) brokenOff(ctx context.Context) bool {
	return ctx.Err() != nil && n.offered.Load() && !closed(n.stood)
}

// stand tells the round that the link is there.
func (n *line) stand(ctx context.Context, l Link) (leave func()) {
	n.ctx, n.link, n.since = ctx, n.second.beside(l, n.r.stir, n.lives), time.Now()
	n.wanted, n.part = context.WithCancel(ctx)
	n.turn.worked()
	n.r.k.watch(n)
	close(n.stood)
	return n.leave
}

// begin has the link carry the tunnel, for the first time or again.
func (n *line) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rests, n.awake = false, false
	n.link.hold(false)
	switch {
	case n.gone || n.crew != nil:
	case n.r.k.standing.linked(n.r.o.round, n.link):
		n.crew = newCrew(n.r.k, n.link)
		n.asking.begin(n.ctx, n.pulse)
		n.arranging.begin(n.ctx, n.arrange)
	default:
		n.link.End(errSuperseded)
	}
}

// arrange makes the mappings on the link what they shall be now.
func (n *line) arrange(context.Context) (never time.Time) {
	n.crew.arrange(n.ctx, n.wanted, n.r.k.standing.entries())
	n.crew.curious = true // what comes to a link that stands was changed by somebody
	return never
}

// leave returns when nothing of the link is used any more, it being over or given up for another. One that was given up goes
// as a messenger.
func (n *line) leave() {
	n.leaving.Do(func() {
		if n.dismiss() {
			n.parted()
		}
		n.r.k.unwatch(n)
		n.part()
		close(n.left)
	})
}

// dismiss ends all that the link does for the tunnel, and reports whether there was anything.
func (n *line) dismiss() bool {
	n.mu.Lock()
	n.gone = true
	crew := n.crew
	n.mu.Unlock()
	if crew == nil {
		return false
	}
	n.arranging.end()
	n.asking.end()
	crew.end()
	return true
}

// parted says that the link carries the tunnel no more.
func (n *line) parted() {
	if closed(n.retired) {
		n.link.Retire()
		return
	}
	n.r.k.lost(n.r.ctx, n.r.o, n.link, context.Cause(n.ctx))
}

// pause has the link rest. Its server is asked again as soon as it can hear that.
func (n *line) pause() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rests, n.awake = true, false
	n.link.hold(true)
	n.place.giveBack()
	n.asking.hurry()
}

// retire gives the link up for another, and returns when nothing uses it any more.
func (n *line) retire() {
	n.r.k.remember(n)
	n.parting = time.Now()
	close(n.retired)
	n.part()
	n.leave()
}

// over reports whether the link is gone.
func (n *line) over() bool { return closed(n.left) }

// answered notes that the server gave a sign of life.
func (n *line) answered() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = time.Time{}
	if n.rests && !n.awake {
		n.awake = true
		n.r.stir()
		poke(n.r.k.wake)
	}
}

// unanswered notes that the server has given none since then, though its machine answers.
func (n *line) unanswered(since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = since
	n.r.stir()
}

// frozen reports whether the server has given no sign of life for so long that another link is tried.
func (n *line) frozen() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.silent.IsZero() && time.Since(n.silent) >= replaceAfter
}

// silentSince is when the server was first asked what it has not answered.
func (n *line) silentSince() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.silent
}

// quiet reports whether the server has not answered what it was last asked.
func (n *line) quiet() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rests || !n.silent.IsZero()
}

// revived reports whether the link rests and its server answers again.
func (n *line) revived() bool {
	if n == nil || n.over() || n.link.peer() != PeerAnswers {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.awake
}

// wakes reports whether the server of a link that rests answers, once it is asked.
func (n *line) wakes(ctx context.Context) bool {
	if n == nil || n.revived() {
		return n != nil
	}
	ctx, cancel := context.WithTimeout(ctx, wakePatience)
	defer cancel()
	if err := n.link.wake(ctx); err != nil {
		n.r.k.log.Debug("the link that was silent does not answer", "error", err)
		return n.revived() // it may have answered the pulse
	}
	n.answered()
	return !n.over()
}

// closed reports whether c is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
