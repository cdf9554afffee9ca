// Package netwatch tells when this machine's network has changed: a link went up or down, an address or a route came or
// went, the machine slept. The host runs one watch beside the supervisor.
//
// What it promises: a change is told within half a second, many together are told as one and never more often than every
// three seconds, the last of them always. Nothing it reads is trusted to be more than a hint. Where the kernel refuses
// the questions (some containers do), it says so once and goes on with what it can see.
package netwatch

import (
	"context"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"
)

// How changes are told.
const (
	settle  = 250 * time.Millisecond // for what belongs together, from the first sign on
	between = 3 * time.Second        // from one telling to the next, at least: an interface may flap
	look    = 2 * time.Second        // from look to look at the clocks
)

// Change is the network after something about it changed.
type Change struct {
	// Has reports whether an address is this machine's; where that is not known, every one is.
	Has func(netip.Addr) bool

	// Woke reports whether the machine slept meanwhile.
	Woke bool
}

// Watch calls tell after each change until ctx ends; then it returns nil. tell is never called twice at a time.
func Watch(ctx context.Context, log hclog.Logger, tell func(Change)) error {
	signs := make(chan struct{}, 1)
	stop, err := listen(ctx, signs)
	if err != nil {
		log.Warn("changes of the network are not noticed at once here; tunnels come back a little later for it", "error", err)
	} else {
		defer stop()
	}
	newWatch(log, signs, tell).run(ctx)
	return nil
}

// newWatch tells of signs what is so when it tells.
func newWatch(log hclog.Logger, signs <-chan struct{}, tell func(Change)) *watch {
	return &watch{signs: signs, clocks: clocks, settle: settle, between: between, look: look, tell: func(woke bool) {
		tell(Change{Has: addresses(log), Woke: woke})
	}}
}

// watch turns signs of a change into tellings.
type watch struct {
	signs                 <-chan struct{}
	clocks                func() (awake, all time.Duration)
	settle, between, look time.Duration
	tell                  func(woke bool)

	woke bool
	last time.Time // when it last told
}

func (w *watch) run(ctx context.Context) {
	ticker := time.NewTicker(w.look)
	defer ticker.Stop()
	slept := w.slept()
	var due <-chan time.Time // nil while there is nothing to tell
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
			due = nil
			w.last = time.Now()
			w.tell(w.woke)
			w.woke = false
			continue
		case <-w.signs:
		case <-ticker.C:
			before := slept
			if slept = w.slept(); slept-before < time.Second {
				continue
			}
			w.woke = true
		}
		if due == nil {
			due = time.After(max(w.settle, w.between-time.Since(w.last)))
		}
	}
}

// slept is how long the machine has slept since it started.
func (w *watch) slept() time.Duration {
	awake, all := w.clocks()
	return all - awake
}
