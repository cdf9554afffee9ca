package tunneltest

import (
	"context"
	"iter"
	"reflect"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// backlog is how many changes a watcher may be behind before it gets the whole again.
const backlog = 256

// watcher is one running Watch. Its fields are guarded by the World's mutex.
type watcher struct {
	queue []tunnel.Change
	lost  bool          // changes were dropped
	wake  chan struct{} // holds one token while there is something to take
}

func (s service) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		r := s.world.subscribe()
		defer s.world.unsubscribe(r)
		for {
			select {
			case <-ctx.Done():
				yield(tunnel.Change{}, ctx.Err())
				return
			case <-r.wake:
			}
			for _, c := range s.world.take(r) {
				if ctx.Err() != nil {
					break
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

func (w *World) subscribe() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &watcher{queue: w.wholeLocked(), wake: make(chan struct{}, 1)}
	r.wake <- struct{}{}
	w.watchers[r] = true
	return r
}

func (w *World) unsubscribe(r *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watchers, r)
}

// take empties the queue of r; one that lost changes gets Resync and the whole.
func (w *World) take(r *watcher) []tunnel.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := r.queue
	if r.lost {
		queue = append([]tunnel.Change{{Type: tunnel.Resync}}, w.wholeLocked()...)
	}
	r.queue, r.lost = nil, false
	return queue
}

// FallBehind makes every reader one that fell behind: it gets Resync and the whole again.
func (w *World) FallBehind() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.watchers {
		r.queue, r.lost = nil, true
		r.wakeUp()
	}
}

// wholeLocked is the present state of every tunnel, then Synced.
func (w *World) wholeLocked() []tunnel.Change {
	var cs []tunnel.Change
	for _, v := range w.presentLocked() {
		cs = append(cs, tunnel.Change{Type: tunnel.Present, Tunnel: v})
	}
	return append(cs, tunnel.Change{Type: tunnel.Synced})
}

func (w *World) presentLocked() []tunnel.View {
	views := make([]tunnel.View, len(w.order))
	for i, ref := range w.order {
		views[i] = w.views[ref].Clone()
	}
	return views
}

// refreshLocked joins record and report anew and tells the watchers what differs.
func (w *World) refreshLocked() {
	former := w.views
	w.views, w.order = map[tunnel.Ref]*tunnel.View{}, nil
	for _, t := range w.tunnels {
		v := w.joinLocked(t, former[t.Ref])
		w.views[t.Ref] = v
		w.order = append(w.order, t.Ref)
		if o := former[t.Ref]; o == nil || !reflect.DeepEqual(o.Tunnel, v.Tunnel) || !o.Status.Same(v.Status) {
			w.tellLocked(tunnel.Changed, *v)
		}
	}
	for ref := range former {
		if w.views[ref] == nil {
			delete(w.board, ref)
			w.tellLocked(tunnel.Removed, tunnel.View{Tunnel: tunnel.Tunnel{Ref: ref}})
		}
	}
}

// joinLocked is the view of t. What was reported of a tunnel that no longer runs is forgotten: it starts anew.
func (w *World) joinLocked(t tunnel.Tunnel, former *tunnel.View) *tunnel.View {
	wanted := w.kept.stand(t)
	if !wanted.Active {
		delete(w.board, t.Ref)
	}
	s := wanted.Status(w.board[t.Ref])
	if s.Since.IsZero() {
		s.Since = time.Now()
		if former != nil && former.Status.State == s.State {
			s.Since = former.Status.Since
		}
	}
	return &tunnel.View{Tunnel: t, Status: s}
}

func (w *World) tellLocked(what tunnel.ChangeType, v tunnel.View) {
	for r := range w.watchers {
		if len(r.queue) >= backlog+len(w.order) {
			r.queue, r.lost = nil, true
		}
		if !r.lost {
			r.queue = append(r.queue, tunnel.Change{Type: what, Tunnel: v.Clone()})
		}
		r.wakeUp()
	}
}

// wakeUp says that there is something to take.
func (r *watcher) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
