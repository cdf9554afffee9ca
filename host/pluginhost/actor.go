package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Ask is what an operator asks a module to do for one of its configurations: an action, or where Job is set a run of a job.
type Ask struct {
	Of          tunnel.ConfigurationRef
	Action, Job string
	Arguments   json.RawMessage // a JSON object; none is {}
	DryRun      bool
	By          string        // operator:UID
	Patience    time.Duration // how long to wait for the configuration to run; 0: not at all
	Detached    bool          // of a job: return as soon as its run has begun
}

// Bounds of what a module may say of an action, and of how many are under way.
const (
	maxActs     = 8 // of one module at once
	actGrace    = 5 * time.Second
	reportBurst = 1000 // messages of one action,
	reportRate  = 50   // and so many more for each second of its limit
	shownEvery  = 100 * time.Millisecond
)

// Act has a module do what is asked for beside the run of that configuration. Steps and progress are handed to report as
// they come, progress at most ten times a second. It returns what came of it, at most actGrace after the limit of the
// action. What was asked for stands in the journal, and how it ended.
//
// An error is why there was nothing to do: the configuration, action or job is tunnel.ErrNotFound, its arguments are
// Findings, it is under way already (tunnel.ErrExists), or the configuration does not run (tunnel.ErrPolicyRefused, with
// the cause). When ctx ends, an action does; a run of a job goes on.
func (h *Host) Act(ctx context.Context, a Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
	if err := h.Described(ctx, a.Of.Module); err != nil {
		return tunnel.Result{}, err
	}
	m, err := h.installed(a.Of.Module)
	if err != nil {
		return tunnel.Result{}, err
	}
	act := &act{module: m, ask: a, report: report}
	if err := act.check(); err != nil {
		return tunnel.Result{}, err
	}
	r, err := m.awaitRun(ctx, a.Of, a.Patience)
	if err != nil {
		return tunnel.Result{}, err
	}
	leave, err := m.enterAct(a)
	if err != nil {
		return tunnel.Result{}, err
	}
	defer leave()
	act.started()
	result, err := act.do(ctx, r)
	act.ended(result, err)
	return result, err
}

// act is one action, or run of a job, under way.
type act struct {
	module *module
	ask    Ask
	report func(tunnel.ActReport)
	limit  time.Duration
	schema json.RawMessage // of its arguments
	began  time.Time
	begun  bool // the module has said something

	steps tunnel.TestSteps
	since map[string]time.Time // when steps began
	said  int
	shown time.Time // when progress last was
}

// check holds what is asked for against what the module says it has.
func (a *act) check() error {
	a.module.mu.Lock()
	pin := a.module.pin
	_, there := a.module.runs[a.ask.Of.Name]
	a.module.mu.Unlock()
	switch {
	case !there:
		return tunnel.Findings{{
			Code: tunnel.NotFound, Field: "configuration", Value: tunnel.Clean(a.ask.Of.String(), 100),
			Message: fmt.Sprintf("there is no configuration %s", tunnel.Clean(a.ask.Of.String(), 100)), WayOut: "culvert config list shows those there are",
		}}
	case pin == nil:
		return a.unknown()
	case a.ask.Job != "":
		j, ok := pin.Description.Job(a.ask.Job)
		if !ok {
			return a.unknown()
		}
		a.limit = j.Limit()
		return a.checkDryRun(j.DryRun)
	}
	action, ok := pin.Description.Action(a.ask.Action)
	if !ok {
		return a.unknown()
	}
	a.limit, a.schema = action.Limit(), action.Arguments
	if err := a.checkDryRun(action.DryRun); err != nil {
		return err
	}
	if n := len(a.ask.Arguments); n > tunnel.MaxArguments {
		return tunnel.Findings{{
			Code: tunnel.TooLong, Field: "arguments", Value: strconv.Itoa(n), Message: fmt.Sprintf("the arguments have %d bytes", n),
			WayOut: fmt.Sprintf("use at most %d", tunnel.MaxArguments),
		}}
	}
	return settings.Check(action.Arguments, a.ask.Arguments).In("arguments").Err()
}

// name is what is asked for: its kind and its name.
func (a *act) name() (kind, name string) {
	if a.ask.Job != "" {
		return "job", tunnel.Clean(a.ask.Job, 60)
	}
	return "action", tunnel.Clean(a.ask.Action, 60)
}

func (a *act) unknown() error {
	kind, name := a.name()
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: kind, Value: name, Message: fmt.Sprintf("module %s has no %s %s", a.module.name, kind, name),
		WayOut: fmt.Sprintf("culvert %s list %s shows those there are", kind, a.module.name),
	}}
}

func (a *act) checkDryRun(has bool) error {
	if !a.ask.DryRun || has {
		return nil
	}
	kind, name := a.name()
	return tunnel.Findings{{
		Code: tunnel.UnknownKey, Field: "dry_run", Value: "true", Message: fmt.Sprintf("%s %s of module %s has no dry run", kind, name, a.module.name),
		WayOut: "ask for it without one: it changes what it is for",
	}}
}

// enterAct notes that an action is under way, unless it is already, or too many are.
func (m *module) enterAct(a Ask) (leave func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := a.Of.Name + " action " + a.Action
	what := "action " + tunnel.Clean(a.Action, 60)
	if a.Job != "" {
		key, what = a.Of.Name+" job "+a.Job, "job "+tunnel.Clean(a.Job, 60)
	}
	busy := func(message string) error {
		return tunnel.Findings{{
			Code: tunnel.Exists, Field: "configuration", Value: a.Of.String(), Message: message, WayOut: "wait for the end of what is under way",
		}}
	}
	switch {
	case m.acts[key]:
		return nil, busy(fmt.Sprintf("%s of %s is under way already, and there is one at a time", what, a.Of))
	case len(m.acts) >= maxActs:
		return nil, busy(fmt.Sprintf("%d actions of module %s are under way, and there are no more at a time", len(m.acts), m.name))
	}
	m.acts[key] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.acts, key)
	}, nil
}

// awaitRun is the process in which the configuration runs; it is waited for, for that long.
func (m *module) awaitRun(ctx context.Context, ref tunnel.ConfigurationRef, patience time.Duration) (*running, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		m.mu.Lock()
		r, err := m.runningLocked(ref)
		changed := m.changed
		m.mu.Unlock()
		if err == nil || patient.Err() != nil {
			return r, errors.Join(err, ctx.Err())
		}
		select {
		case <-changed:
		case <-patient.Done():
		}
	}
}

// settling is how long a module and its host may differ on whether a configuration runs: it has just begun, or is just ending.
const settling = 3 * time.Second

// settled asks the process in which the configuration runs, again for a moment where that does not know it. Its error is the
// answer, or why the configuration does not run after all.
func (m *module) settled(ctx context.Context, ref tunnel.ConfigurationRef, r *running, ask func(*running) error) error {
	for end := time.Now().Add(settling); ; {
		err := ask(r)
		if !errors.Is(err, tunnel.ErrNotFound) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
		m.mu.Lock()
		now, gone := m.runningLocked(ref)
		m.mu.Unlock()
		if gone != nil {
			return gone
		}
		r = now
	}
}

// runningLocked is the process in which the configuration runs right now, or why it does not.
func (m *module) runningLocked(ref tunnel.ConfigurationRef) (*running, error) {
	s := tunnel.ConfigurationStatus{State: tunnel.ConfigDisabled}
	if r, there := m.runs[ref.Name]; there {
		s = m.runStatusLocked(r)
	}
	if s.State == tunnel.ConfigRunning && m.process != nil {
		return m.process, nil
	}
	f := tunnel.Finding{
		Code: tunnel.PolicyRefused, Field: "configuration", Value: ref.String(),
		Message: fmt.Sprintf("%s does not run, it is %s", ref, s.State), WayOut: fmt.Sprintf("culvert config show %s says more", ref),
	}
	if s.Message != "" {
		f.Message += ": " + tunnel.Clean(s.Message, 300)
	}
	switch s.State {
	case tunnel.ConfigDisabled:
		f.WayOut = fmt.Sprintf("culvert config enable %s", ref)
	case tunnel.ConfigWaiting:
		f.WayOut = "wait a moment, or see culvert module show " + string(ref.Module)
	}
	return nil, tunnel.Findings{f}
}
