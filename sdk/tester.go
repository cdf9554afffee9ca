package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Tester is a [Module] that can also check a configuration: `culvert config test` calls it and shows each step as it
// happens. An author says so with
//
//	var _ sdk.Tester[settings] = adsync{}
//
// and writes the steps in the order in which they make sense:
//
//	func (adsync) Test(ctx context.Context, in *sdk.Instance[settings], t *sdk.Steps) {
//		var dir *ldap.Conn
//		t.Do("connect", func(ctx context.Context) (_ string, err error) { dir, err = dial(ctx, in); return })
//		t.Do("bind", func(context.Context) (string, error) { return "", dir.Bind(user, password) }, "connect")
//		t.Do("read the base", func(context.Context) (string, error) { return count(dir, in.Settings.Base) }, "bind")
//	}
type Tester[S any] interface {
	// Test checks the settings of in, which need not be those stored, and reports by t. It changes nothing: it may run
	// beside the Run of the same configuration. Dial, List and Watch work as in Run, over the tunnels as they are stored;
	// Declare and Listen are refused. It returns soon after ctx has ended.
	Test(ctx context.Context, in *Instance[S], t *Steps)
}

// StepLimit is how long one step of a test may take. The whole test has tunnel.TestLimit: some services that do not answer
// take nothing from those behind them.
const StepLimit = 15 * time.Second

// Check is what one step does: it returns what it found, in one sentence for an operator, or why it failed. "" says that
// there is nothing to add. Its error may be a [Warning], a [Failure] or [Skip]; what Dial returns has its remedy already.
type Check func(ctx context.Context) (found string, err error)

// Verdict is an error that says how a step went, and what to do.
type Verdict struct {
	Outcome tunnel.Outcome
	Message string
	Remedy  string
}

// Error is the message.
func (v *Verdict) Error() string { return v.Message }

// Warning makes a step one that holds and wants attention: what depends on it is tried.
func Warning(message, remedy string) error {
	return &Verdict{tunnel.StepWarning, message, remedy}
}

// Failure makes a step one that failed, with what to do about it.
func Failure(message, remedy string) error {
	return &Verdict{tunnel.StepFailed, message, remedy}
}

// Skip makes a step one for which there is nothing to try.
func Skip(message string) error { return &Verdict{Outcome: tunnel.StepSkipped, Message: message} }

// Steps are the steps of one test under way. It is for one goroutine at a time.
type Steps struct {
	ctx    context.Context
	log    hclog.Logger
	limit  time.Duration // for one step, 0 for none
	report func(tunnel.TestStep)
	done   tunnel.TestSteps
	wrong  error // the author's first mistake, which fails the test
}

// Do does one step, in a test at most for [StepLimit], and reports whether it held. Its name is unique in the test and says what
// is checked: "bind", "read the base". The names after it are those of steps it depends on: when one of them did not
// hold, it is skipped. A panic fails the step, not the module.
func (t *Steps) Do(name string, check Check, after ...string) (held bool) {
	if why := t.hindered(name, after); why != "" {
		t.say(tunnel.TestStep{Name: name, Outcome: tunnel.StepSkipped, Message: why})
		return false
	}
	if !t.say(tunnel.TestStep{Name: name, Outcome: tunnel.StepRunning}) {
		return false
	}
	s := verdict(t.try(name, check))
	s.Name = name
	return t.say(s) && holds(s)
}

// hindered says why a step that depends on those is not tried, "" where it is.
func (t *Steps) hindered(name string, after []string) string {
	if t.ctx.Err() != nil {
		return "the test was ended before"
	}
	for _, other := range after {
		i := slices.IndexFunc(t.done, func(s tunnel.TestStep) bool { return s.Name == other })
		if i < 0 {
			t.mistake(fmt.Errorf("step %q depends on %q, which is no step before it", name, other))
			return "it depends on a step that there is not"
		}
		if !holds(t.done[i]) {
			return fmt.Sprintf("%q did not hold", other)
		}
	}
	return ""
}

func holds(s tunnel.TestStep) bool {
	return s.Outcome == tunnel.StepOK || s.Outcome == tunnel.StepWarning
}

// say reports a step, if it keeps to the rules of a test.
func (t *Steps) say(s tunnel.TestStep) bool {
	s, err := t.done.Add(s)
	if err != nil {
		t.mistake(err)
		return false
	}
	t.report(s)
	return true
}

func (t *Steps) mistake(err error) {
	if t.wrong == nil {
		t.wrong = fmt.Errorf("the module's test is wrong in itself: %w", err)
	}
}

// try calls check within its limit.
func (t *Steps) try(name string, check Check) (found string, err error) {
	ctx, cancel := t.ctx, context.CancelFunc(func() {})
	if t.limit > 0 {
		ctx, cancel = context.WithTimeoutCause(t.ctx, t.limit, errStepLimit)
	}
	defer cancel()
	defer t.caught(&err, "step", name)
	found, err = check(ctx)
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == errStepLimit {
		err = errStepLimit
	}
	return found, err
}

var errStepLimit = fmt.Errorf("it took longer than %v", StepLimit)

// caught makes a panic an error, for a test must not take the module's runs with it. It is to be deferred.
func (t *Steps) caught(err *error, what ...any) {
	if p := recover(); p != nil {
		logPanic(t.log.With(what...), "the module", p)
		*err = Failure(fmt.Sprintf("the module panicked: %v", p), "its log has the details for its author")
	}
}

// verdict is how a step went that found that or failed so.
func verdict(found string, err error) tunnel.TestStep {
	s := tunnel.TestStep{Outcome: tunnel.StepOK, Message: found}
	var v *Verdict
	var status *tunnel.StatusError
	switch {
	case err == nil:
		return s
	case errors.As(err, &v):
		s.Outcome, s.Remedy = v.Outcome, v.Remedy
	case errors.As(err, &status):
		s.Outcome, s.Remedy = tunnel.StepFailed, status.Remedy
	default:
		s.Outcome = tunnel.StepFailed
	}
	s.Message = err.Error()
	return s
}

// Test tests the configuration with r's settings as an S. It is wire.ErrNoTest where the module has none.
func (p plugin[S]) Test(ctx context.Context, r wire.Run, report func(tunnel.TestStep)) (err error) {
	m, ok := p.module.(Tester[S])
	if !ok {
		return wire.ErrNoTest
	}
	in, err := p.instance(ctx, r)
	if err != nil {
		return err
	}
	in.testing = true
	t := &Steps{ctx: ctx, log: r.Log, limit: StepLimit, report: report}
	defer t.caught(&err)
	m.Test(ctx, in, t)
	return t.wrong
}
