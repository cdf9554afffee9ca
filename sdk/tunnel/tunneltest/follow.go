package tunneltest

import (
	"context"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// follower reads a Watch in the background.
type follower struct {
	changes chan tunnel.Change
	end     chan error
	cancel  context.CancelFunc
}

// follow starts a Watch; it ends with the test at the latest.
func follow(t *testing.T, s tunnel.Service) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{changes: make(chan tunnel.Change), end: make(chan error, 1), cancel: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c, err := range s.Watch(ctx) {
			if err != nil {
				f.end <- err
				continue // were there another element after the error, the Watch would break its contract: read it
			}
			select {
			case f.changes <- c:
			case <-ctx.Done():
			}
		}
		close(f.end)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

// next is the next change.
func (f *follower) next(t *testing.T) tunnel.Change {
	t.Helper()
	select {
	case c := <-f.changes:
		return c
	case err := <-f.end:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(patience):
		t.Fatal("the watch tells nothing")
	}
	return tunnel.Change{}
}

// synced skips to Synced and gives what was present before it.
func (f *follower) synced(t *testing.T) []tunnel.View {
	t.Helper()
	var present []tunnel.View
	for {
		c := f.next(t)
		switch c.Type {
		case tunnel.Present:
			present = append(present, c.Tunnel)
		case tunnel.Synced:
			return present
		default:
			t.Fatalf("%s of %s before synced", c.Type, c.Tunnel.Ref)
		}
	}
}
