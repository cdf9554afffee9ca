package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/store"
)

// What the suite shows on whole stores is not shown here again.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// big makes the change at rev that holds n bytes.
func big(rev uint64, n int) store.Change {
	return store.Change{Rev: store.RevAt(rev), Puts: []store.Record{{Key: "k", Value: make([]byte, n-1)}}}
}

func TestRecentIsBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		size  int
		want  int // changes that stay of 20
	}{
		{"by their number", 5, 1, 5},
		{"by their bytes", 100, maxBytes / 4, 4},
		{"but for the newest", 100, maxBytes + 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewRecent(store.RevAt(1), c.limit)
			for rev := range uint64(20) {
				r.Add(big(rev+2, c.size))
			}
			oldest := store.RevAt(21 - uint64(c.want))
			if changes, _, err := r.after(oldest); err != nil || len(changes) != c.want {
				t.Errorf("after %v there are %d changes, %v", oldest, len(changes), err)
			}
			before := store.RevAt(20 - uint64(c.want))
			if _, _, err := r.after(before); !errors.Is(err, store.ErrGone) {
				t.Errorf("after %v: %v", before, err)
			}
			if r.bytes != c.want*c.size {
				t.Errorf("%d bytes are counted for %d changes", r.bytes, c.want)
			}
		})
	}
}

func TestGate(t *testing.T) {
	g := NewGate()
	if err := g.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := g.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second one: %v", err)
	}
	waiting, closed := make(chan error), make(chan struct{})
	go func() { waiting <- g.Enter(t.Context()) }()
	go func() { g.Close(); close(closed) }()
	if err := <-waiting; !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("one who waits at the end: %v", err)
	}
	select {
	case <-closed:
		t.Error("it closed with one inside")
	case <-time.After(10 * time.Millisecond):
	}
	g.Leave()
	<-closed
	if err := g.Enter(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("one who comes later: %v", err)
	}
}
