package sdktest

import (
	"context"
	"errors"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tests: where a module has a test, it has named steps, decides each, and ends when it is told to.
func tests(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	if !tr.w.said.Can(tunnel.CapabilityTester) {
		return notApplicable("the module has no test")
	}
	tr.c.start() // a test is beside a run
	tr.settle()
	defer tr.c.stop()
	got := tr.test(b.Context())
	switch {
	case got.err != nil:
		tr.fail("do everything in a step of Steps.Do, in its context", "Test fails: %v", got.err)
		return j
	case len(got.steps) == 0:
		tr.fail("name what you check, each by Steps.Do: an operator reads the names", "Test has no steps")
	case got.goroutines != "":
		tr.fail("end what a step begins before the test returns", "Test returned and left goroutines behind:\n%s", got.goroutines)
	}
	for _, step := range got.steps.Running() {
		tr.fail("let Steps.Do decide it", "Test returned without saying how step %q went", step.Name)
	}
	tr.testEnds()
	return j
}

// testEnds judges a test that is told to end while nothing gets through.
func (tr *trial) testEnds() {
	tr.Helper()
	tr.fault(Freeze)
	ctx, cancel := context.WithTimeout(context.Background(), 2*tr.s.quiet)
	defer cancel()
	if got := tr.test(ctx); errors.Is(got.err, errDeaf) {
		tr.fail("use the context that each step is given", "Test was told to end: %v", got.err)
	}
}

// test has the module test its configuration, where it can.
func (tr *trial) test(ctx context.Context) tested {
	ctx, cancel := context.WithTimeout(ctx, TestLimit)
	defer cancel()
	return tr.c.test(ctx, tr.o)
}
