package registry

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// backlog is how many changes wait for a slow reader before it has to begin anew.
const backlog = 1024

// watcher holds the changes one reader has not taken yet. Whoever writes never waits for it.
type watcher struct {
	mu     sync.Mutex
	queue  []tunnel.ShownChange
	behind bool
	wake   chan struct{} // holds a token while there is something to take
}

// watchLocked gives a change to every reader.
func (r *Registry) watchLocked(c tunnel.ShownChange) {
	for w := range r.watchers {
		w.push(c)
	}
}

func (w *watcher) push(c tunnel.ShownChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) >= backlog {
		w.queue, w.behind = nil, true
	}
	if !w.behind {
		w.queue = append(w.queue, c)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take waits for changes and returns them, or that the reader fell behind.
func (w *watcher) take(ctx context.Context) (cs []tunnel.ShownChange, behind bool, err error) {
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-w.wake:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	cs, w.queue = w.queue, nil
	return cs, w.behind, nil
}

// Watch yields the present state of every tunnel, then each change, see tunnel.Service.
func (r *Registry) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		for c, err := range r.WatchShown(ctx) {
			if !yield(c.Change(), err) {
				return
			}
		}
	}
}

// WatchShown is Watch without copies, see tunnel.Shared.
func (r *Registry) WatchShown(ctx context.Context) iter.Seq2[tunnel.ShownChange, error] {
	return func(yield func(tunnel.ShownChange, error) bool) {
		for {
			w, present := r.subscribe()
			goOn := r.serveWatch(ctx, w, present, yield)
			r.unsubscribe(w)
			if !goOn || !yield(tunnel.ShownChange{Type: tunnel.Resync}, nil) {
				return
			}
		}
	}
}

// serveWatch yields the present set and what follows. It returns true where the reader fell behind.
func (r *Registry) serveWatch(ctx context.Context, w *watcher, present []*entry, yield func(tunnel.ShownChange, error) bool) bool {
	if ctx.Err() != nil {
		yield(tunnel.ShownChange{}, ctx.Err())
		return false
	}
	for _, e := range present {
		if !yield(tunnel.ShownChange{Type: tunnel.Present, Tunnel: e.show()}, nil) {
			return false
		}
	}
	if !yield(tunnel.ShownChange{Type: tunnel.Synced}, nil) {
		return false
	}
	for {
		cs, behind, err := w.take(ctx)
		if err != nil {
			yield(tunnel.ShownChange{}, err)
			return false
		}
		if behind {
			return true
		}
		for _, c := range cs {
			if !yield(c, nil) {
				return false
			}
		}
	}
}

// subscribe takes the present set and every change after it, without a gap.
func (r *Registry) subscribe() (*watcher, []*entry) {
	w := &watcher{wake: make(chan struct{}, 1)}
	r.recount()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers[w] = struct{}{}
	return w, slices.Clone(r.order)
}

func (r *Registry) unsubscribe(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watchers, w)
}
