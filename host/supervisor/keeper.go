package supervisor

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// errSuperseded ends an attempt or link that something else is wanted in place of.
var errSuperseded = errors.New("superseded")

// keeper keeps one tunnel as it shall be, from the moment its record appears until it is gone.
type keeper struct {
	ref      tunnel.Ref
	s        *Supervisor
	log      hclog.Logger
	standing *standing
	private  *private
	changed  chan struct{} // poked when wanted or restarts changed
	ended    chan struct{} // closed when nothing of it is left

	mu       sync.Mutex
	wanted   tunnel.Wanted
	restarts int
}

// order is what a keeper is to do now. Two orders with the same link differ at most in their mappings.
type order struct {
	wanted   tunnel.Wanted
	restarts int
}

func newKeeper(s *Supervisor, ref tunnel.Ref) *keeper {
	log := s.config.Log.With("tunnel", ref.String())
	st := &standing{
		ref: ref, log: log, turned: make(chan struct{}),
		report: func(now tunnel.Status) { s.config.Source.Report(ref, now) },
	}
	return &keeper{
		ref: ref, s: s, log: log, standing: st,
		private: newPrivate(s.config.Sockets, ref, st, s.config.Engine, log),
		changed: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// want tells the keeper what shall be.
func (k *keeper) want(w tunnel.Wanted) {
	k.mu.Lock()
	k.wanted = w
	k.mu.Unlock()
	if !w.Gone {
		k.standing.arrange(w.Tunnel.Mappings)
	}
	poke(k.changed)
}

// restart asks for a new link at once.
func (k *keeper) restart() {
	k.mu.Lock()
	k.restarts++
	k.mu.Unlock()
	poke(k.changed)
}

func (k *keeper) order() order {
	k.mu.Lock()
	defer k.mu.Unlock()
	return order{k.wanted, k.restarts}
}

// supersedes reports whether o asks for another link than old, or for none.
func (o order) supersedes(old order) bool {
	return o.wanted.Gone || o.wanted.Active != old.wanted.Active || o.restarts != old.restarts ||
		o.wanted.Generation != old.wanted.Generation
}

// run does one order after another until ctx ends or the tunnel is gone.
func (k *keeper) run(ctx context.Context) {
	defer k.private.close()
	select {
	case <-k.changed:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		o := k.order()
		if o.wanted.Gone {
			return
		}
		k.private.arrange(o.wanted.Tunnel.Mappings)
		if o.wanted.Active {
			k.keep(ctx, o)
			continue
		}
		k.standing.rest(o.wanted)
		k.sleep(ctx, -1, func(order) bool { return true })
	}
}

// keep makes attempt after attempt for o, until it is superseded.
func (k *keeper) keep(ctx context.Context, o order) {
	var pace pace
	k.standing.begin()
	for {
		out := k.attempt(ctx, o)
		if ctx.Err() != nil || k.order().supersedes(o) {
			return
		}
		state, wait := pace.after(out)
		if out.why.Reason == tunnel.HostKeyMismatch {
			k.s.config.Source.Shown(k.ref, out.why.Shown)
		}
		if wait == 0 {
			k.standing.failed(state, out.why, time.Time{})
			continue
		}
		var next time.Time
		if wait > 0 {
			next = time.Now().Add(wait)
		}
		k.standing.failed(state, out.why, next)
		if k.sleep(ctx, wait, func(now order) bool { return now.supersedes(o) }) {
			return
		}
		k.standing.retry()
	}
}

// sleep waits for d to pass, for ever where it is negative, and returns true early when ctx ends or an order comes
// that ends the wait. Every order's private sockets are arranged meanwhile.
func (k *keeper) sleep(ctx context.Context, d time.Duration, ends func(order) bool) bool {
	var timeout <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return true
		case <-timeout:
			return false
		case <-k.changed:
			o := k.order()
			if ends(o) {
				return true
			}
			k.private.arrange(o.wanted.Tunnel.Mappings)
		}
	}
}

// dialLocal connects to the service behind an expose mapping of this tunnel.
func (k *keeper) dialLocal(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
	return k.s.config.DialLocal(ctx, k.ref, m)
}

// poke leaves a note in c, unless one lies there already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
