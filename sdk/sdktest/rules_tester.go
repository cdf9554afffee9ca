package sdktest

import (
	"context"
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tests: where a module has a test, it has named steps, decides each, and ends when it is told to.
func tests(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil {
		return
	}
	if d, err := tr.o.Describe(); err != nil || !d.Can(tunnel.CapabilityTester) {
		return
	}
	tr.c.start() // a test is beside a run
	tr.settle()
	defer tr.c.stop()
	got := tr.test(t.Context())
	switch {
	case got.err != nil:
		fail(t, "do everything in a step of Steps.Do, in its context", "Test fails: %v", got.err)
		return
	case len(got.steps) == 0:
		fail(t, "name what you check, each by Steps.Do: an operator reads the names", "Test has no steps")
	case got.goroutines != "":
		fail(t, "end what a step begins before the test returns", "Test returned and left goroutines behind:\n%s", got.goroutines)
	}
	for _, step := range got.steps.Running() {
		fail(t, "let Steps.Do decide it", "Test returned without saying how step %q went", step.Name)
	}
	tr.testEnds()
}

// testEnds judges a test that is told to end while nothing gets through.
func (tr *trial) testEnds() {
	tr.Helper()
	tr.fault(Freeze)
	ctx, cancel := context.WithTimeout(context.Background(), 2*tr.s.quiet)
	defer cancel()
	if got := tr.test(ctx); errors.Is(got.err, errDeaf) {
		fail(tr, "use the context that each step is given", "Test was told to end: %v", got.err)
	}
}

// test has the module test its configuration, where it can.
func (tr *trial) test(ctx context.Context) tested {
	ctx, cancel := context.WithTimeout(ctx, TestLimit)
	defer cancel()
	return tr.w.test(ctx, tr.o)
}
