package sshtunnel

import (
	"context"
	"time"
)

// passageAfter is how long what was sent may take before the server is asked whether it has it.
const passageAfter = time.Second

// passage finds out whether what was just sent has got to the server, and what came of it back to us. SSH keeps its order:
// whoever answers a sign of life that was asked for later has it, and whoever answers another one then has passed on what
// came of it. The result is closed when that is so. Nothing is asked where stop is called, or ctx ends, within a second.
func (l *Link) passage(ctx context.Context) (passed <-chan struct{}, stop func() bool) {
	const signs = 3 // the first is shared with others, and may have been asked for earlier
	done := make(chan struct{})
	ask := func() {
		for range signs {
			s := l.alive.ask(l)
			select {
			case <-s.done:
			case <-ctx.Done():
				return
			}
			if s.err != nil {
				return
			}
		}
		close(done)
	}
	return done, time.AfterFunc(passageAfter, func() { l.spawn(ask) }).Stop
}
