package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// keeper keeps one tunnel as it shall be, from the moment its record appears until it is gone.
type keeper struct {
	ref      tunnel.Ref
	config   Config
	gate     *gate
	budget   *budget
	paces    *paces
	log      hclog.Logger
	standing *standing
	private  *private
	ports    *ports
	ctx      context.Context
	over     func()        // told when nothing of the keeper is left
	heeding  chore         // of orders
	round    *round        // of the order that is kept, nil where there is none; heeding's own, like the last two
	wake     chan struct{} // poked when an attempt is worth while now
	ended    chan struct{} // closed when nothing of the keeper is left
	rank     int           // of the next order's login
	heard    int           // the last order's asked

	mu      sync.Mutex
	now     *order
	waits   string    // the class of the failure after which an attempt is awaited, "" while one runs
	lines   []*line   // whose links stand
	earlier time.Time // see Attempt
}

// order is what a keeper is to do; it never changes once it is given. Two orders for one link differ at most in their
// mappings.
type order struct {
	wanted tunnel.Wanted
	asked  int    // how often a person has asked for a new link
	round  uint64 // of the standing, once the order is set about
}

// supersedes reports whether o asks for another link than old did, or for none.
func (o *order) supersedes(old *order) bool {
	return o.wanted.Gone || o.wanted.Active != old.wanted.Active || o.asked != old.asked || o.wanted.Generation != old.wanted.Generation
}

func newKeeper(c Config, g *gate, b *budget, p *paces, held *holds, ref tunnel.Ref) *keeper {
	k := &keeper{
		ref: ref, config: c, gate: g, budget: b, paces: p, log: c.Log.With("tunnel", ref.String()),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		rank: untried, now: &order{},
	}
	k.standing = newStanding(k.log, func(now tunnel.Status) { c.Source.Report(ref, now) })
	o := opener{ref, k.standing, c.Engine}
	k.private, k.ports = newPrivate(c, o, k.log), newPorts(c, o, held, k.log)
	return k
}

// arrange makes the tunnel's ways in those that w asks for: private sockets for as long as there is a record, ports while
// it is active.
func (k *keeper) arrange(w *tunnel.Wanted) {
	k.private.arrange(w.Tunnel.Mappings)
	if !w.Active {
		k.ports.arrange(nil)
		return
	}
	k.ports.arrange(k.standing.askedFor(w.Tunnel.Mappings))
}

// want tells the keeper what shall be.
func (k *keeper) want(w tunnel.Wanted) {
	k.give(func(o *order) {
		if asks(o.wanted, w) {
			o.asked++
		}
		o.wanted = w
	})
}

// asks reports whether it is a person who orders a new link: a module can do no more than withdraw what it declared and
// declare it again, another or otherwise.
func asks(was, now tunnel.Wanted) bool {
	switch {
	case !now.Active || was.Active && was.Generation == now.Generation:
		return false
	case now.Tunnel.ManagedBy() == tunnel.ByOperator:
		return true
	}
	return !was.Active && (was.State == tunnel.Disabled || was.State == tunnel.Inactive)
}

// restart asks for a new link at once, where the tunnel is active.
func (k *keeper) restart() { k.give(func(o *order) { o.asked++ }) }

// give changes the order. A link that it supersedes does not count from now on.
func (k *keeper) give(change func(*order)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, now := k.now, *k.now
	change(&now)
	k.now = &now
	if now.supersedes(old) {
		k.standing.supersede(now.wanted)
	} else {
		k.standing.arrange(now.wanted)
	}
	k.stir()
}

// order is what the keeper is to do now.
func (k *keeper) order() *order {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// begin sets about o as it is now, unless it is superseded already.
func (k *keeper) begin(o *order) (begun *order, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now.supersedes(o) {
		return nil, false
	}
	now := *k.now
	now.round = k.standing.follow(now.wanted)
	k.now = &now
	return k.now, true
}

// run follows one order after another until ctx ends or the tunnel is gone; then it calls over. Once ctx has ended it has to
// be stirred.
func (k *keeper) run(ctx context.Context, over func()) {
	k.ctx, k.over = ctx, over
	k.heeding.begin(context.WithoutCancel(ctx), k.heed)
}

// stir has it looked at what is ordered.
func (k *keeper) stir() { k.heeding.hurry() }

// heed sets about what is ordered now.
func (k *keeper) heed(context.Context) (never time.Time) {
	for !closed(k.ended) {
		o, r, over := k.order(), k.round, k.ctx.Err() != nil
		if r == nil && (over || o.wanted.Gone) {
			k.finish()
			break
		}
		if !over {
			k.arrange(&o.wanted)
		}
		if r == nil {
			k.setAbout(o)
			break
		}
		if !over && !o.supersedes(r.o) {
			k.rearrange()
			break
		}
		r.stop()
		if !o.wanted.Active || o.wanted.Generation != r.o.wanted.Generation {
			k.budget.forgo(k.ref)
		}
		k.round = nil
	}
	return never
}

// setAbout begins with o, unless it is superseded already.
func (k *keeper) setAbout(o *order) {
	begun, due := k.begin(o)
	if o.wanted.Active {
		if !due {
			return
		}
		k.round = newRound(k, begun)
		k.round.rank = k.rank
		k.round.asked, k.heard = o.asked != k.heard, o.asked
		k.round.begin()
	}
	k.rank = promising // whatever the next order is, somebody gave it
}

// rearrange tells the links that their mappings changed.
func (k *keeper) rearrange() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.lines {
		n.arranging.hurry()
	}
}

// finish leaves nothing of the keeper.
func (k *keeper) finish() {
	k.ports.close()
	k.private.close()
	k.over()
}

// poke leaves a note in c, unless one lies there already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// unpoke takes the note out of c, if one lies there.
func unpoke(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}
