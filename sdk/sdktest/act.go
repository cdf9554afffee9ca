package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Ask is what an operator asks for beside the name of an action or a job.
type Ask struct {
	Arguments string // of an action, a JSON object; "" is {}
	DryRun    bool
	See       func(tunnel.ActReport) // is told each step and progress as it comes, if not nil
}

// Acted is what came of an action or of a run of a job.
type Acted struct {
	tunnel.Result
	Steps    tunnel.TestSteps
	Progress []tunnel.Progress // each that was told
}

// Act has the module do an action, as `culvert action` does, and returns what came of it; steps and progress go to the test's log
// as they come. Its error is what the host refuses: an action that there is not, arguments that do not fit its schema, a dry run of one
// that has none, one that is under way already; or the context's, with which the action ends. What breaks the rules of actions fails the
// test: a report that is none, one that is left undecided, and an end that is late.
func (c *Configured) Act(ctx context.Context, action string, a Ask) (Acted, error) {
	c.w.t.Helper()
	d, there := c.w.said.Action(action)
	if !there {
		return Acted{}, unknownWork("action", action)
	}
	doc, err := arguments(d, a)
	if err != nil {
		return Acted{}, err
	}
	return c.ask(ctx, wire.Act{Action: action, Arguments: doc}, a, d.Limit())
}

// RunJob has a job run now, as `culvert job run` does, and returns what came of that run. It is refused while one is under way
// ([tunnel.ErrExists]). When ctx ends, the run goes on.
func (c *Configured) RunJob(ctx context.Context, job string, a Ask) (Acted, error) {
	c.w.t.Helper()
	d, there := c.w.said.Job(job)
	switch {
	case !there:
		return Acted{}, unknownWork("job", job)
	case a.DryRun && !d.DryRun:
		return Acted{}, noDryRun("job", job)
	}
	return c.ask(ctx, wire.Act{Job: job}, a, d.Limit())
}

// Jobs is how the jobs are: when each is due, whether it runs, and what came of its last runs. In synctest they are due in
// virtual time. Without a run there are none.
func (c *Configured) Jobs() []tunnel.JobStatus {
	c.w.t.Helper()
	actor, ok := c.module.(wire.Actor)
	if !ok || c.run == nil {
		return nil
	}
	all, err := whenItRuns(context.Background(), func() ([]tunnel.JobStatus, error) { return actor.Jobs(c.ref.Name) })
	if err != nil {
		c.w.t.Errorf("jobs of %s: %v", c.ref, err)
	}
	return all
}

// Act is [Configured.Act] of the configuration default, as the following are.
func (w *World) Act(ctx context.Context, action string, a Ask) (Acted, error) {
	w.t.Helper()
	return w.first().Act(ctx, action, a)
}

// RunJob is [Configured.RunJob].
func (w *World) RunJob(ctx context.Context, job string, a Ask) (Acted, error) {
	w.t.Helper()
	return w.first().RunJob(ctx, job, a)
}

// Jobs is [Configured.Jobs].
func (w *World) Jobs() []tunnel.JobStatus { w.t.Helper(); return w.first().Jobs() }

// arguments are those of an action, as the host checks them.
func arguments(d tunnel.Action, a Ask) (json.RawMessage, error) {
	if a.DryRun && !d.DryRun {
		return nil, noDryRun("action", d.Name)
	}
	doc := json.RawMessage(a.Arguments)
	if fs := settings.Check(d.Arguments, doc); len(fs) > 0 {
		return nil, fs
	}
	return doc, nil
}

// ask asks the module and fails the test for what breaks the rules.
func (c *Configured) ask(ctx context.Context, what wire.Act, a Ask, limit time.Duration) (Acted, error) {
	c.w.t.Helper()
	got := c.act(ctx, what, a, limit)
	for _, wrong := range got.wrong {
		c.w.t.Errorf("%s %s: %s", c.ref, what.Action+what.Job, wrong)
	}
	return got.Acted, got.err
}

// acting is what came of asking.
type acting struct {
	Acted
	err   error    // it was refused, or its context ended
	wrong []string // what breaks the rules
	late  bool     // it has not ended
	stack string   // where it is then

	goroutines string // the stacks of those it left behind
}

// operator is who asks in a World.
const operator = "operator:0"

// act has the module do it, until ctx ends or the limit is over, or Grace later.
func (c *Configured) act(ctx context.Context, what wire.Act, a Ask, limit time.Duration) acting {
	actor, ok := c.module.(wire.Actor)
	if !ok || !c.runs() {
		return acting{err: notRunning(c.ref)}
	}
	what.Configuration, what.DryRun, what.By = c.ref.Name, a.DryRun, operator
	mark, done := newMark(), make(chan acting, 1)
	go marked(ctx, mark, func(ctx context.Context) { done <- c.actNow(ctx, actor, what, a) })
	over := time.NewTimer(limit + Grace)
	defer over.Stop()
	select {
	case got := <-done:
		if got.err == nil {
			got.goroutines = leaked(mark)
		}
		return got
	case <-over.C:
	case <-ctx.Done():
		over.Reset(max(c.w.room, 1) * Grace)
		select {
		case got := <-done:
			return got
		case <-over.C:
		}
	}
	late := fmt.Sprintf("it has not ended %v after it was to, of its limit of %v or of its context", Grace, limit)
	return acting{err: context.DeadlineExceeded, wrong: []string{late}, late: true, stack: stacksOf(mark)}
}

func (c *Configured) actNow(ctx context.Context, actor wire.Actor, what wire.Act, a Ask) (got acting) {
	see := func(r tunnel.ActReport) {
		if wrong := got.take(r); wrong != nil {
			got.wrong = append(got.wrong, wrong.Error())
		}
		c.w.log.out.show(what.Action + what.Job + ": " + told(r))
		if a.See != nil {
			a.See(r)
		}
	}
	result, err := whenItRuns(ctx, func() (tunnel.Result, error) { return actor.Act(ctx, what, see) })
	if err != nil {
		got.err = err
		return got
	}
	if got.Result = result.Shown(); !reflect.DeepEqual(got.Result, result) {
		got.wrong = append(got.wrong, fmt.Sprintf("its result is not fit to show: %+q", fmt.Sprint(result)))
	}
	for _, s := range got.Steps.Running() {
		got.wrong = append(got.wrong, fmt.Sprintf("it ended without saying how step %q went", s.Name))
	}
	return got
}

// take notes a report.
func (got *acting) take(r tunnel.ActReport) error {
	if r.Progress != nil {
		got.Progress = append(got.Progress, r.Progress.Shown())
	}
	if r.Step == nil {
		return nil
	}
	_, err := got.Steps.Add(*r.Step)
	return err
}

// told is a report as a line.
func told(r tunnel.ActReport) string {
	switch {
	case r.Step != nil:
		return stepLine(*r.Step)
	case r.Progress != nil && r.Progress.Of > 0:
		return fmt.Sprintf("%d of %d %s", r.Progress.Done, r.Progress.Of, r.Progress.Text)
	case r.Progress != nil:
		return fmt.Sprintf("%d %s", r.Progress.Done, r.Progress.Text)
	}
	return "nothing"
}

// settling is how long a run that has just begun may be unknown to its module, as the real host allows.
const settling = 3 * time.Second

// whenItRuns asks again for a moment where the module says that the configuration does not run: that has only just begun.
func whenItRuns[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for end := time.Now().Add(settling); ; {
		v, err := ask()
		if !errors.Is(err, tunnel.ErrNotFound) || time.Now().After(end) {
			return v, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return v, err
		}
	}
}

func unknownWork(what, name string) error {
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: what, Value: tunnel.Clean(name, tunnel.MaxName),
		Message: fmt.Sprintf("the module has no %s %s", what, tunnel.Clean(name, tunnel.MaxName)), WayOut: "see which it has",
	}}
}

func noDryRun(what, name string) error {
	return tunnel.Findings{{
		Code: tunnel.UnknownKey, Field: "dry_run", Value: "true",
		Message: fmt.Sprintf("%s %s has no dry run", what, name), WayOut: "ask for it without one",
	}}
}

func notRunning(ref tunnel.ConfigurationRef) error {
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: "configuration", Value: ref.String(),
		Message: "the configuration does not run right now", WayOut: "culvert config enable " + ref.String(),
	}}
}
