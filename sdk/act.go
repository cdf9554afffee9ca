package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Act does an action, or a job now, beside the run of that configuration.
func (p plugin[S]) Act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (Result, error) {
	l := p.lives.get(a.Configuration)
	if l == nil {
		return Result{}, notRunning(a.Configuration)
	}
	if a.Job != "" {
		return l.followJob(ctx, a, report)
	}
	i := slices.IndexFunc(p.actions(), func(x Action[S]) bool { return x.Name == a.Action })
	if i < 0 {
		return Result{}, unknownWork("action", a.Action)
	}
	return l.act(ctx, p.actions()[i], a, report)
}

func (l *live[S]) act(ctx context.Context, action Action[S], a wire.Act, report func(tunnel.ActReport)) (Result, error) {
	if err := checkAct(action, &a); err != nil {
		return Result{}, err
	}
	leave, err := l.enter("action", action.Name)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	limit := time.Duration(seconds(action.Limit, tunnel.ActionLimit)) * time.Second
	c := &Call{DryRun: a.DryRun, By: a.By, arguments: a.Arguments, tell: report}
	r, err := l.do(ctx, limit, c, action.Do)
	if err == nil {
		logEnd(l.in.Log, "action", action.Name, r, ended{by: a.By, dryRun: a.DryRun, cut: ctx.Err() != nil})
	}
	return r, err
}

// checkAct refuses what the action does not take, and fills in the defaults of its arguments.
func checkAct[S any](action Action[S], a *wire.Act) error {
	if a.DryRun && !action.DryRun {
		return noDryRun("action", action.Name)
	}
	var schema json.RawMessage
	if action.Arguments != nil {
		d, err := describeActions([]Action[S]{action})
		if err != nil {
			return err
		}
		schema = d[0].Arguments
	}
	if fs := settings.Check(schema, a.Arguments); len(fs) > 0 {
		return fs
	}
	a.Arguments = settings.WithDefaults(schema, a.Arguments)
	return nil
}

func noDryRun(what, name string) error {
	return tunnel.Findings{{
		Code: tunnel.UnknownKey, Field: "dry_run", Value: "true",
		Message: fmt.Sprintf("%s %s has no dry run", what, tunnel.Clean(name, 60)), WayOut: "ask for it without one",
	}}
}

func notRunning(configuration string) error {
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: "configuration", Value: tunnel.Clean(configuration, 60),
		Message: "the configuration does not run right now", WayOut: "see how it is, and ask again",
	}}
}

func unknownWork(what, name string) error {
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: what, Value: tunnel.Clean(name, 60),
		Message: fmt.Sprintf("the module has no %s %s", what, tunnel.Clean(name, 60)), WayOut: "see which it has",
	}}
}

// do does work within its limit, when it may begin, and makes whatever comes of it a Result.
func (l *live[S]) do(ctx context.Context, limit time.Duration, c *Call, work Work[S]) (Result, error) {
	if err := l.awaitReady(ctx); err != nil {
		return Result{}, l.why(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than its limit, %v", limit))
	defer cancel()
	c.Steps = &Steps{ctx: ctx, log: l.in.Log, report: c.step}
	r, err := try(ctx, l.in, c, work)
	if errors.Is(err, tunnel.ErrExists) && !c.said() {
		return Result{}, err // the job that it is for is under way
	}
	c.flush()
	if err != nil && ctx.Err() != nil && !isVerdict(err) {
		err = l.why(ctx)
	}
	return c.outcome(r, err), nil
}

// why is why work was told to end.
func (l *live[S]) why(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return errStopped
	}
	return context.Cause(ctx)
}

func isVerdict(err error) bool {
	var v *Verdict
	return errors.As(err, &v)
}

// try does work. A panic becomes an error.
func try[S any](ctx context.Context, in *Instance[S], c *Call, work Work[S]) (r Result, err error) {
	defer c.caught(&err)
	return work(ctx, in, c)
}

// outcome is r as it is to be told, with what a failure or the steps say of it.
func (c *Call) outcome(r Result, err error) Result {
	if err == nil && c.wrong != nil {
		err = c.wrong
	}
	if err != nil {
		f := failed(err)
		r.Outcome, r.Message, r.Remedy = f.Outcome, f.Message, f.Remedy
	}
	for _, s := range c.done {
		if r.Outcome == "" && s.Outcome == tunnel.StepFailed {
			r.Outcome = tunnel.ResultFailed
			r.Message, r.Remedy = or(r.Message, fmt.Sprintf("step %q failed: %s", s.Name, s.Message)), or(r.Remedy, s.Remedy)
		}
	}
	r.Outcome = or(r.Outcome, tunnel.ResultOK)
	return r.Shown()
}

// failed is the result of an error.
func failed(err error) Result {
	s := verdict("", err)
	r := Result{Outcome: tunnel.ResultFailed, Message: s.Message, Remedy: s.Remedy}
	var fs tunnel.Findings
	if errors.As(err, &fs) && len(fs) == 1 && fs.Error() == err.Error() {
		r.Message, r.Remedy = fs[0].Message, fs[0].WayOut
	}
	switch s.Outcome {
	case tunnel.StepWarning:
		r.Outcome = tunnel.ResultPartial
	case tunnel.StepSkipped:
		r.Outcome = tunnel.ResultOK
	}
	return r.Shown()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
