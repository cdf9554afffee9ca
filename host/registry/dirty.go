package registry

import (
	"context"
	"sync"
)

// dirty is the set of things that changed since one reader took them, in the order in which they first did. However slow
// the reader, it holds each at most once, so nobody falls behind and nothing is lost but what was overtaken.
type dirty[K comparable] struct {
	mu    sync.Mutex
	set   map[K]struct{}
	queue []K
	wake  chan struct{} // holds a token while the set is not empty
}

func newDirty[K comparable]() *dirty[K] {
	return &dirty[K]{set: map[K]struct{}{}, wake: make(chan struct{}, 1)}
}

func (d *dirty[K]) mark(k K) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, marked := d.set[k]; marked {
		return
	}
	d.set[k] = struct{}{}
	d.queue = append(d.queue, k)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take waits until something is marked and returns it, unmarked.
func (d *dirty[K]) take(ctx context.Context) (K, error) {
	for {
		if err := ctx.Err(); err != nil {
			var none K
			return none, err
		}
		if k, ok := d.pop(); ok {
			return k, nil
		}
		select {
		case <-ctx.Done():
		case <-d.wake:
		}
	}
}

func (d *dirty[K]) pop() (k K, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return k, false
	}
	k, d.queue = d.queue[0], d.queue[1:]
	delete(d.set, k)
	return k, true
}
