package sdktest

import (
	"context"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestLimit is how long a module's test may take, as the real host allows.
const TestLimit = time.Minute

// Test has the module test its configuration, as `culvert config test` does, and returns the steps as they were decided.
// Whether the module runs meanwhile makes no difference. It fails the test where the module has none or breaks the rules
// of one, where it takes longer than TestLimit, and where it leaves a goroutine behind.
func (w *World) Test() tunnel.TestSteps {
	w.t.Helper()
	tester, ok := w.module.(wire.Tester)
	if !ok {
		w.t.Fatal(wire.ErrNoTest)
	}
	ctx, cancel := context.WithTimeout(context.Background(), TestLimit)
	defer cancel()
	var steps tunnel.TestSteps
	var broken, err error
	mark := newMark()
	marked(ctx, mark, func(ctx context.Context) {
		err = tester.Test(ctx, w.asRun(w.host()), func(s tunnel.TestStep) {
			if _, err := steps.Add(s); err != nil && broken == nil {
				broken = err
			}
		})
	})
	for _, wrong := range []error{err, broken, ctx.Err()} {
		if wrong != nil {
			w.t.Errorf("test %s: %v", w.ref, wrong)
		}
	}
	for _, s := range steps.Running() {
		w.t.Errorf("the test of %s ended without saying how %q went", w.ref, s.Name)
	}
	if stacks := leaked(mark); stacks != "" {
		w.t.Errorf("Test returned and left goroutines behind:\n%s", stacks)
	}
	return steps
}
