package sdktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestLimit is how long a module's test may take, as the real host allows.
const TestLimit = tunnel.TestLimit

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
	got := w.test(ctx, tester)
	if got.err != nil {
		w.t.Errorf("test %s: %v", w.first().ref, got.err)
	}
	for _, s := range got.steps.Running() {
		w.t.Errorf("the test of %s ended without saying how %q went", w.first().ref, s.Name)
	}
	if got.goroutines != "" {
		w.t.Errorf("Test returned and left goroutines behind:\n%s", got.goroutines)
	}
	return got.steps
}

// tested is what came of a test.
type tested struct {
	steps      tunnel.TestSteps
	err        error  // what it broke, or ended with
	goroutines string // the stacks of those it left behind
}

// errDeaf says that a test did not heed its context.
var errDeaf = fmt.Errorf("it has not returned %v after its context ended", Grace)

// test has the module test, until ctx ends or Grace later.
func (w *World) test(ctx context.Context, m wire.Tester) tested {
	mark, done, r := newMark(), make(chan tested, 1), w.first().asRun(w.first().newLine())
	go marked(ctx, mark, func(ctx context.Context) { done <- testNow(ctx, m, r) })
	select {
	case got := <-done:
		got.goroutines = leaked(mark)
		return got
	case <-ctx.Done():
	}
	select {
	case got := <-done:
		return got
	case <-time.After(Grace):
		return tested{err: errDeaf}
	}
}

func testNow(ctx context.Context, m wire.Tester, r wire.Run) (got tested) {
	var broken error
	err := m.Test(ctx, r, func(s tunnel.TestStep) {
		if _, err := got.steps.Add(s); err != nil && broken == nil {
			broken = err
		}
	})
	got.err = errors.Join(err, broken, ctx.Err())
	return got
}
