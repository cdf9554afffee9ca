package sdktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// run is one run of the module.
type run struct {
	mark   string
	line   *line
	cancel context.CancelFunc
	grace  time.Duration
	ended  chan error
}

func startRun(p wire.Plugin, r wire.Run, l *line) *run {
	ctx, cancel := context.WithCancel(context.Background())
	out := &run{mark: newMark(), line: l, cancel: cancel, grace: Grace, ended: make(chan error, 1)}
	go marked(ctx, out.mark, func(ctx context.Context) { out.ended <- p.Run(ctx, r) })
	return out
}

// stop returns how Run ended, and whether it has not within the time.
func (r *run) stop(within time.Duration) (err error, late bool) {
	r.cancel()
	select {
	case err := <-r.ended:
		if errors.Is(err, context.Canceled) {
			return nil, false
		}
		return err, false
	case <-time.After(within):
		return context.DeadlineExceeded, true
	}
}

// ending is how a run ended.
type ending struct {
	grace       time.Duration // it had
	late        bool          // it took longer
	stands      string        // the stacks of what had not ended then
	goroutines  string        // the stacks of those it left behind
	connections []string      // it left open, by mapping
}

// wrong says what is wrong with it.
func (e ending) wrong() (wrong []string) {
	if e.late {
		wrong = append(wrong, fmt.Sprintf("Run has not returned %v after its context ended; it is at\n%s", e.grace, e.stands))
	}
	if e.goroutines != "" {
		wrong = append(wrong, "Run returned and left goroutines behind:\n"+e.goroutines)
	}
	for _, name := range e.connections {
		wrong = append(wrong, fmt.Sprintf("Run returned and left a connection of %s open", name))
	}
	return wrong
}
