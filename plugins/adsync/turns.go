package main

import (
	"context"
	"sync"
)

// turns let one synchronisation of a configuration run at a time: by schedule, by an action, or by two operators.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func newTurns() *turns { return &turns{busy: map[string]chan struct{}{}} }

// take waits until no other one of that configuration runs, at most until ctx ends; done is to be called in the end.
func (t *turns) take(ctx context.Context, configuration string) (done func(), err error) {
	for {
		t.mu.Lock()
		other := t.busy[configuration]
		if other == nil {
			mine := make(chan struct{})
			t.busy[configuration] = mine
			t.mu.Unlock()
			return func() { t.leave(configuration, mine) }, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *turns) leave(configuration string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, configuration)
	close(mine)
}
