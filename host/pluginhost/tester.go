package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Test has the module test a configuration, with doc in place of the stored settings or, where doc is nil, with those.
// Each step is handed to report when it begins and when it is decided. What runs is not disturbed: where the module has
// no process, one is started for the test and ended with it.
//
// It returns when the test is over, at most after tunnel.TestLimit; what was under way then has failed, and so it has when the
// process ends. An error is why there was no test: the configuration is tunnel.ErrNotFound, its settings are Findings,
// the module is an *Unusable, has no test, or has one under way already. When ctx ends, the test does.
func (h *Host) Test(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage, report func(tunnel.TestStep)) error {
	if err := h.Described(ctx, ref.Module); err != nil {
		return err
	}
	m, err := h.installed(ref.Module)
	if err != nil {
		return err
	}
	t := &test{module: m, ref: ref, report: report, began: map[string]time.Time{}}
	if _, _, err := t.settings(ctx, doc); err != nil {
		return err
	}
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	if err := m.beginTest(ctx, ref, end); err != nil {
		return err
	}
	defer m.update(func() { m.testing, m.endTest = "", nil })
	settings, elsewhere, err := t.settings(ctx, doc) // again: whoever removes the configuration now ends the test
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(inner, h.testLimit)
	defer cancel()
	t.tell(settingsStep(doc != nil, elsewhere))
	t.run(limited, settings)
	return ctx.Err()
}

// errRemoved ends the test of a configuration that is removed.
var errRemoved = errors.New("the configuration was removed meanwhile")

// beginTest notes that a test is under way, which has the module's process run, unless there is one already. What is left
// of a configuration of that name before goes first. end ends the test.
func (m *module) beginTest(ctx context.Context, ref tunnel.ConfigurationRef, end context.CancelCauseFunc) error {
	for {
		if err := m.wait(ctx, func() (bool, error) { return !m.purges[ref.Name], nil }); err != nil {
			return err
		}
		if begun, err := m.tryTest(ref, end); begun || err != nil {
			return err
		}
	}
}

func (m *module) tryTest(ref tunnel.ConfigurationRef, end context.CancelCauseFunc) (begun bool, err error) {
	m.update(func() {
		switch {
		case m.purges[ref.Name]:
		case m.pin == nil || !m.pin.Description.Can(tunnel.CapabilityTester):
			err = tunnel.Findings{{
				Code: tunnel.NotFound, Field: "module", Value: string(m.name),
				Message: fmt.Sprintf("module %s has no test", m.name),
				WayOut:  fmt.Sprintf("culvert config show %s says how it runs", ref),
			}}
		case m.testing != "":
			err = tunnel.Findings{{
				Code: tunnel.Exists, Field: "configuration", Value: ref.String(),
				Message: fmt.Sprintf("a test of %s/%s is under way, and a module tests one configuration at a time", m.name, m.testing),
				WayOut:  fmt.Sprintf("wait for its end, at most %v", m.host.testLimit),
			}}
		default:
			if !m.neededLocked() {
				m.problem = nil // of a process before; whether this one starts is seen anew
			}
			m.testing, m.endTest, begun = ref.Name, end, true
		}
	})
	return begun, err
}

// test is one test under way.
type test struct {
	module *module
	ref    tunnel.ConfigurationRef
	report func(tunnel.TestStep)
	steps  tunnel.TestSteps
	began  map[string]time.Time
}

// settings are those to test with, and the sites that they give otherwise than the tunnels there are.
func (t *test) settings(ctx context.Context, doc json.RawMessage) (settings json.RawMessage, elsewhere []string, err error) {
	catalog := t.module.host.cfg.Catalog
	if doc != nil {
		return catalog.TrialSettings(ctx, t.ref, doc)
	}
	settings, err = catalog.RunSettings(ctx, t.ref)
	return settings, nil, err
}

// settingsStep says which settings are tested, and what of them is not.
func settingsStep(given bool, elsewhere []string) tunnel.TestStep {
	s := tunnel.TestStep{Name: tunnel.StepSettings, Outcome: tunnel.StepOK, Message: "as stored"}
	if given {
		s.Message = "as given, not stored"
	}
	if len(elsewhere) > 0 {
		s.Outcome = tunnel.StepWarning
		s.Message = "as given, but with the tunnel as it is stored: " + tunnel.Clean(strings.Join(elsewhere, ", "), 200) + " is given otherwise"
		s.Remedy = "try the server with culvert check; store the settings, and test again when the tunnel is up"
	}
	return s
}

// run starts the process if need be, and has it test.
func (t *test) run(ctx context.Context, settings json.RawMessage) {
	r, err := t.process(ctx)
	if err != nil {
		return // said as a step
	}
	dir := filepath.Join(t.module.host.stateDir(t.ref.Module), t.ref.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.conclude(err.Error(), "")
		return
	}
	err = r.module.Test(ctx, t.ref, settings, dir, t.take)
	switch {
	case context.Cause(ctx) == errRemoved:
		t.conclude(errRemoved.Error(), "")
		t.await(r)
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded): // the other end may see the time first
		t.conclude(fmt.Sprintf("it had not come to its end when the time for the test was over, %v", t.module.host.testLimit),
			"the steps before it show how far the test came")
	case errors.Is(err, wire.ErrGone):
		t.conclude("the module's process ended meanwhile: "+r.why(), "culvert module log "+string(t.ref.Module))
	case err != nil:
		t.conclude(err.Error(), "the module's author can mend it")
	case len(t.steps) == 0:
		t.conclude("the module's test has no step", "the module's author can mend it")
	case len(t.steps.Running()) > 0:
		t.conclude("the module ended its test without saying how this went", "the module's author can mend it")
	}
}

// await sees that the module does nothing more for a test that was ended: where it goes on with it, its process ends.
func (t *test) await(r *running) {
	grace, done := context.WithTimeout(context.Background(), stopGrace)
	defer done()
	if err := r.module.StopTest(grace); err != nil && !errors.Is(err, wire.ErrGone) {
		t.module.log.say("a test did not end within its grace period, so its process is ended")
		t.module.update(func() {
			if t.module.process == r {
				t.module.turn++
			}
		})
	}
}

// process is the module's process; that it runs is a step.
func (t *test) process(ctx context.Context) (r *running, err error) {
	s := tunnel.TestStep{Name: tunnel.StepModule, Outcome: tunnel.StepRunning}
	t.tell(s)
	var started bool
	err = t.module.wait(ctx, func() (done bool, err error) {
		done, r, err = t.module.readyLocked()
		started = started || !done
		return done, err
	})
	s.Outcome, s.Message = tunnel.StepOK, "runs"
	var u *Unusable
	switch {
	case errors.As(err, &u):
		s.Outcome, s.Message, s.Remedy = tunnel.StepFailed, u.Message, u.Remedy
	case err != nil && context.Cause(ctx) == errRemoved:
		s.Outcome, s.Message = tunnel.StepFailed, errRemoved.Error()
	case err != nil:
		s.Outcome, s.Message, s.Remedy = tunnel.StepFailed, err.Error(), "culvert module show "+string(t.ref.Module)
	case started:
		s.Message = "started for this test"
	}
	t.tell(s)
	return r, err
}

// readyLocked is the process that a test can use, or why there will be none; done is false while it may yet come.
func (m *module) readyLocked() (done bool, r *running, err error) {
	switch {
	case m.currentLocked():
		return true, m.process, nil
	case m.closed:
		return true, nil, errors.New("the daemon is stopping")
	case m.life != dead:
		return false, nil, nil
	case m.refusalLocked() != nil:
		return true, nil, m.refusalLocked()
	case m.problem != nil:
		return true, nil, m.unusable(m.problem)
	}
	return false, nil, nil
}

// why says how a process ended whose connection is gone.
func (r *running) why() string {
	select {
	case <-r.process.exited:
		var u *unusable
		if errors.As(r.ended(), &u) {
			return u.message
		}
	case <-time.After(time.Second):
	}
	return "it dropped its connection"
}

// take takes a report of the module's, if it keeps to the rules.
func (t *test) take(s tunnel.TestStep) error {
	s, err := t.steps.Add(s)
	if err != nil {
		return fmt.Errorf("the module's test breaks the rules of one: %w", err)
	}
	t.tell(s)
	return nil
}

// tell hands a step over with the time it took.
func (t *test) tell(s tunnel.TestStep) {
	if s.Outcome == tunnel.StepRunning {
		t.began[s.Name] = time.Now()
	} else if began, ok := t.began[s.Name]; ok {
		s.Took = time.Since(began)
	}
	t.report(s)
}

// conclude ends a test that did not come to its end: what is under way has failed, or a step of its own says why.
func (t *test) conclude(message, remedy string) {
	running := t.steps.Running()
	if len(running) == 0 {
		running = []tunnel.TestStep{{Name: tunnel.StepEnd}}
	}
	for _, s := range running {
		s.Outcome, s.Message, s.Remedy = tunnel.StepFailed, tunnel.Clean(message, tunnel.MaxTestText), remedy
		t.tell(s)
	}
}
