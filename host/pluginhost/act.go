package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// errBegun ends the call for a job whose run nobody waits for.
var errBegun = errors.New("the run has begun")

// do has the module do it, and makes a result of what went wrong there. Its error is why it was refused, or ctx's.
func (a *act) do(ctx context.Context, r *running) (tunnel.Result, error) {
	limited, cancel := context.WithTimeout(ctx, a.limit+actGrace)
	defer cancel()
	result, err := a.call(limited, r)
	if errors.Is(err, context.DeadlineExceeded) {
		awaitEnd(limited, 100*time.Millisecond) // the other end may see the time first
	}
	var refused tunnel.Findings
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, errBegun):
		return tunnel.Result{Outcome: tunnel.ResultOK, Message: "it has begun"}, nil
	case ctx.Err() != nil:
		return tunnel.Result{}, ctx.Err()
	case errors.Is(err, wire.ErrBroken):
		return a.failed(err.Error(), "the module's author can mend it"), nil
	case !a.begun && errors.As(err, &refused):
		return tunnel.Result{}, refused
	case limited.Err() != nil:
		return a.failed(fmt.Sprintf("it had not come to its end when its time was over, %v", a.limit), "the module's author can mend it"), nil
	case errors.Is(err, wire.ErrGone):
		return a.failed("the module's process ended meanwhile: "+r.why(), "culvert module log "+string(a.module.name)), nil
	}
	return a.failed("the module breaks the rules: "+err.Error(), "the module's author can mend it"), nil
}

// awaitEnd waits for the end of ctx, at most for d.
func awaitEnd(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (a *act) failed(message, remedy string) tunnel.Result {
	return tunnel.Result{Outcome: tunnel.ResultFailed, Message: message, Remedy: remedy}.Shown()
}

// call asks the module.
func (a *act) call(ctx context.Context, r *running) (result tunnel.Result, err error) {
	err = a.module.settled(ctx, a.ask.Of, r, func(r *running) error {
		result, err = r.module.Act(ctx, wire.Act{
			Configuration: a.ask.Of.Name, Action: a.ask.Action, Job: a.ask.Job, Arguments: a.ask.Arguments, DryRun: a.ask.DryRun, By: a.ask.By,
		}, a.take)
		if a.begun && errors.Is(err, tunnel.ErrNotFound) {
			err = fmt.Errorf("%w: %v", wire.ErrBroken, err) // it knew it
		}
		return err
	})
	return result, err
}

// take takes a report of the module's, if it keeps to the rules.
func (a *act) take(r tunnel.ActReport) error {
	a.begun = true
	if a.said++; a.said > reportBurst+int(a.limit/time.Second)*reportRate {
		return fmt.Errorf("it reported more than %d times", a.said-1)
	}
	if r.Step != nil {
		s, err := a.steps.Add(*r.Step)
		if err != nil {
			return err
		}
		a.report(tunnel.ActReport{Step: a.timed(s)})
	}
	if now := time.Now(); r.Progress != nil && now.Sub(a.shown) >= shownEvery {
		a.shown = now
		a.report(r)
	}
	if a.ask.Detached {
		return errBegun
	}
	return nil
}

// timed is s with the time it took.
func (a *act) timed(s tunnel.TestStep) *tunnel.TestStep {
	if a.since == nil {
		a.since = map[string]time.Time{}
	}
	if s.Outcome == tunnel.StepRunning {
		a.since[s.Name] = time.Now()
	} else if began, ok := a.since[s.Name]; ok {
		s.Took = time.Since(began)
	}
	return &s
}

// started tells the journal what was asked for, without the secrets in it.
func (a *act) started() {
	a.began = time.Now()
	fields := a.fields()
	if len(a.ask.Arguments) > 0 {
		fields["arguments"] = tunnel.Clean(string(settings.Redact(a.schema, a.ask.Arguments)), 2000)
	}
	a.tell(tunnel.ActionStarted, "", fields)
}

// ended tells it how that went.
func (a *act) ended(r tunnel.Result, err error) {
	fields := a.fields()
	fields["ms"] = strconv.FormatInt(time.Since(a.began).Milliseconds(), 10)
	fields["outcome"] = r.Outcome
	message := r.Message
	switch {
	case err != nil && a.ask.Job != "" && a.begun:
		fields["outcome"], message = "left", "nobody waits for it any more; it goes on"
	case errors.Is(err, context.Canceled):
		fields["outcome"], message = "canceled", "nobody waits for it any more"
	case err != nil:
		fields["outcome"], message = "refused", err.Error()
	case a.ask.Detached && a.begun:
		fields["outcome"] = "begun"
	}
	a.tell(tunnel.ActionEnded, message, fields)
}

func (a *act) fields() map[string]string {
	kind, name := a.name()
	return map[string]string{kind: name, "dry_run": strconv.FormatBool(a.ask.DryRun)}
}

func (a *act) tell(t tunnel.EventType, message string, fields map[string]string) {
	a.module.host.cfg.Tell(tunnel.Event{
		Time: time.Now().UTC(), Type: t, Actor: a.ask.By, Subject: a.ask.Of.String(), Message: tunnel.Clean(message, tunnel.MaxTestText), Fields: fields,
	})
}
