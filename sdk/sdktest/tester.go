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
// Each is in the test's log as it begins and when it is decided, and told to see at once, where that is given. Whether the
// module runs meanwhile makes no difference. It fails the test where the module has none or breaks the rules of one, where it
// takes longer than TestLimit, and where it leaves a goroutine behind.
func (w *World) Test(see ...func(tunnel.TestStep)) tunnel.TestSteps {
	w.t.Helper()
	return w.first().Test(see...)
}

// Test is [World.Test] of this configuration.
func (c *Configured) Test(see ...func(tunnel.TestStep)) tunnel.TestSteps {
	c.w.t.Helper()
	tester, ok := c.module.(wire.Tester)
	if !ok {
		c.w.t.Fatal(wire.ErrNoTest)
	}
	ctx, cancel := context.WithTimeout(context.Background(), TestLimit)
	defer cancel()
	got := c.test(ctx, tester, see...)
	if got.err != nil {
		c.w.t.Errorf("test %s: %v", c.ref, got.err)
	}
	for _, s := range got.steps.Running() {
		c.w.t.Errorf("the test of %s ended without saying how %q went", c.ref, s.Name)
	}
	if got.goroutines != "" {
		c.w.t.Errorf("Test returned and left goroutines behind:\n%s", got.goroutines)
	}
	return got.steps
}

// stepLine is a step as a line.
func stepLine(s tunnel.TestStep) string {
	line := fmt.Sprintf("%q %s", s.Name, s.Outcome)
	if s.Message != "" {
		line += ": " + s.Message
	}
	return line
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
func (c *Configured) test(ctx context.Context, m wire.Tester, see ...func(tunnel.TestStep)) tested {
	mark, done, r := newMark(), make(chan tested, 1), c.asRun(c.newLine())
	live := func(s tunnel.TestStep) {
		c.w.log.out.show("test: " + stepLine(s))
		for _, f := range see {
			f(s)
		}
	}
	go marked(ctx, mark, func(ctx context.Context) { done <- testNow(ctx, m, r, live) })
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

// testNow tests, and tells see each step that keeps to the rules of a test, as it comes.
func testNow(ctx context.Context, m wire.Tester, r wire.Run, see func(tunnel.TestStep)) (got tested) {
	var broken error
	err := m.Test(ctx, r, func(s tunnel.TestStep) {
		shown, err := got.steps.Add(s)
		if err == nil {
			see(shown)
		} else if broken == nil {
			broken = err
		}
	})
	got.err = errors.Join(err, broken, ctx.Err())
	return got
}
