package registry

import (
	"context"
	"iter"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Wanted yields what shall be of every tunnel, then of each whose record or standing changed, as it is when it is taken:
// a slow reader skips what was overtaken and misses nothing. A tunnel that is no more comes as Gone, once, where the
// reader has seen it. The last element is the context's error.
//
// A fingerprint given beforehand is left out of the tunnel where a key is pinned: the pin is what counts then.
func (r *Registry) Wanted(ctx context.Context) iter.Seq2[tunnel.Wanted, error] {
	return func(yield func(tunnel.Wanted, error) bool) {
		d := newDirty[tunnel.Ref]()
		r.mu.Lock()
		r.wanting[d] = struct{}{}
		for _, e := range r.order {
			d.mark(e.Tunnel.Ref)
		}
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.wanting, d)
		}()
		seen := map[tunnel.Ref]bool{}
		for {
			ref, err := d.take(ctx)
			if err != nil {
				yield(tunnel.Wanted{}, err)
				return
			}
			w := r.wanted(ref)
			if w.Gone && !seen[ref] {
				continue
			}
			seen[ref] = !w.Gone
			if w.Gone {
				delete(seen, ref)
			}
			if !yield(w, nil) {
				return
			}
		}
	}
}

func (r *Registry) wanted(ref tunnel.Ref) tunnel.Wanted {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.wantedLocked(ref)
}

func (r *Registry) wantedLocked(ref tunnel.Ref) tunnel.Wanted {
	e := r.tunnels[ref]
	if e == nil {
		return tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: ref}, Gone: true}
	}
	w := e.Wanted
	w.Tunnel = tunnel.View{Tunnel: e.Tunnel}.Clone().Tunnel
	w.Tunnel.Fingerprint = expected(w.Tunnel)
	return w
}

func (r *Registry) markWantedLocked(ref tunnel.Ref) {
	for d := range r.wanting {
		d.mark(ref)
	}
}
