package pluginhost

import (
	"context"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
)

// want is a binary that something is to be done with, in a turn of its module. The zero want is nothing to do.
type want struct {
	sha  string
	turn int
}

// follow does what is wanted for as long as that stays the same; then do's context ends, and when do has returned, what
// is wanted then is done. It returns when ctx has ended and nothing is done any more. wanted is called under m.mu.
func (m *module) follow(ctx context.Context, wanted func() want, do func(context.Context, want)) {
	for ctx.Err() == nil {
		w := m.awaitOther(ctx, wanted, want{})
		if ctx.Err() != nil {
			return
		}
		inner, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer cancel()
			m.awaitOther(inner, wanted, w)
		})
		do(inner, w)
		cancel()
		wg.Wait()
	}
}

// awaitOther waits until what is wanted differs from not, or ctx ends, and returns it.
func (m *module) awaitOther(ctx context.Context, wanted func() want, not want) want {
	for {
		m.mu.Lock()
		w, changed := wanted(), m.changed
		m.mu.Unlock()
		if w != not {
			return w
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return w
		}
	}
}

// keepTrying repeats an attempt until it returns nil or ctx ends. What another try cannot make better is not tried
// again: it takes another binary, or a Restart, and both end ctx. hurry is as retry.Loop's.
func keepTrying(ctx context.Context, hurry <-chan struct{}, attempt retry.Attempt) {
	_ = retry.Run(ctx, attempt, retry.Loop{Hurry: hurry, Policy: &retry.Policy{
		Class: func(err error) string {
			if lasting(err) {
				return "lasting"
			}
			return ""
		},
		Backoffs: map[string]retry.Backoff{
			"":        {ResetAfter: time.Minute},
			"lasting": {First: retry.Never},
		},
	}})
}
