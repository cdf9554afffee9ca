package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// run is one configuration at one revision, running in one process. status and ending are guarded by its module.
type run struct {
	module   *module
	process  *running
	ref      tunnel.ConfigurationRef
	revision uint64
	end      context.CancelFunc
	status   tunnel.ConfigurationStatus
	ending   bool
	stuck    bool // it was asked to stop and did not
}

var errStuck = &unusable{tunnel.Crashed, "a run did not end within its grace period, so its process was ended", "it is started again"}

// runAll has every enabled configuration run in the process until ctx ends or the process does, and returns when all
// runs have ended.
func (m *module) runAll(ctx context.Context, r *running) error {
	var wg sync.WaitGroup
	inner, end := context.WithCancel(ctx)
	defer func() {
		end()
		wg.Wait()
		m.update(func() { clear(m.active) })
	}()
	for {
		changed, stuck := m.reconcile(inner, r, &wg)
		if stuck {
			return errStuck
		}
		select {
		case <-changed:
		case <-r.process.exited:
			return r.ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ended says how the process ended by itself.
func (r *running) ended() error {
	return &unusable{tunnel.Crashed, "it ended: " + r.process.how(), seeLog(r.name) + "; it is started again"}
}

// seeLog is what to do where a module's log tells more.
func seeLog(name tunnel.Owner) string { return "culvert module log " + string(name) + " shows more" }

// reconcile ends the runs that are not wanted as they are and starts those that are missing; a configuration that
// changed is started again when its former run has ended. changed is closed at the next change of anything.
func (m *module) reconcile(ctx context.Context, r *running, wg *sync.WaitGroup) (changed <-chan struct{}, stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, a := range m.active {
		want, there := m.runs[name]
		stuck = stuck || a.stuck
		if !a.ending && (!there || !want.Enabled || want.Revision != a.revision) {
			a.ending = true
			a.end()
		}
	}
	for name, want := range m.runs {
		if want.Enabled && m.active[name] == nil && !m.purges[name] {
			m.active[name] = m.startRunLocked(ctx, r, want, wg)
		}
	}
	m.tellLocked()
	return m.changed, stuck
}

func (m *module) startRunLocked(ctx context.Context, r *running, want tunnel.Run, wg *sync.WaitGroup) *run {
	ctx, end := context.WithCancel(ctx)
	a := &run{
		module: m, process: r, ref: want.Ref, revision: want.Revision, end: end,
		status: tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting},
	}
	wg.Go(func() {
		defer end()
		a.loop(ctx)
	})
	return a
}

// loop runs the configuration, again after a failure, until ctx ends; then it is no longer active.
func (a *run) loop(ctx context.Context) {
	err := retry.Run(ctx, a.attempt, retry.Loop{Policy: &retry.Policy{Backoffs: map[string]retry.Backoff{"": {ResetAfter: time.Minute}}}})
	if err == nil {
		a.report(tunnel.ConfigurationStatus{State: tunnel.ConfigDone})
		<-ctx.Done()
	}
	a.module.update(func() {
		if !a.stuck && a.module.active[a.ref.Name] == a {
			delete(a.module.active, a.ref.Name)
		}
	})
}

func (a *run) report(s tunnel.ConfigurationStatus) {
	a.module.update(func() { a.status = s })
}

// attempt is one Run. It returns nil when the module has nothing more to do.
func (a *run) attempt(ctx context.Context, live func()) error {
	settings, dir, err := a.prepare(ctx)
	if err == nil {
		live()
		a.report(tunnel.ConfigurationStatus{State: tunnel.ConfigRunning})
		err = a.call(ctx, settings, dir)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		a.module.log.say("configuration %s failed: %v", a.ref.Name, err) // more of it than its status holds
		a.report(failedStatus(err))
	}
	return err
}

// prepare returns what a run is given.
func (a *run) prepare(ctx context.Context) (settings json.RawMessage, dir string, err error) {
	if settings, err = a.module.host.cfg.Catalog.RunSettings(ctx, a.ref); err != nil {
		return nil, "", settingsError{err}
	}
	dir = filepath.Join(a.module.host.stateDir(a.ref.Module), a.ref.Name)
	return settings, dir, os.MkdirAll(dir, 0o700)
}

// call runs the module for the configuration. When ctx ends, the run is asked to stop and has its grace period.
func (a *run) call(ctx context.Context, settings json.RawMessage, dir string) error {
	call, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = a.process.module.Run(call, a.ref, settings, dir)
	}()
	select {
	case <-ended:
		if errors.Is(err, wire.ErrGone) {
			return a.gone(ctx)
		}
		return err
	case <-ctx.Done():
	}
	if !a.stop(ended) {
		a.module.update(func() { a.stuck = true })
	}
	return ctx.Err()
}

// stop asks the run to stop until it has, and reports whether it did within the grace period.
func (a *run) stop(ended <-chan struct{}) bool {
	grace, done := context.WithTimeout(context.Background(), stopGrace)
	defer done()
	for {
		_ = a.process.module.Stop(grace, a.ref) // when it fails, so does Run, or the grace period ends
		select {
		case <-ended:
			return true
		case <-grace.Done():
			return false
		case <-time.After(100 * time.Millisecond): // Stop had overtaken Run
		}
	}
}

// gone is what a run does whose process dropped the connection: if the process did not end, it is ended; whoever waits
// for that end ends this run.
func (a *run) gone(ctx context.Context) error {
	p := a.process.process
	select {
	case <-p.exited:
	case <-ctx.Done():
	case <-time.After(time.Second):
		p.stop(termGrace)
	}
	<-ctx.Done()
	return ctx.Err()
}

// settingsError is why a configuration has no settings to run with.
type settingsError struct{ error }

func (e settingsError) Unwrap() error { return e.error }

// failedStatus is how a configuration is after that error.
func failedStatus(err error) tunnel.ConfigurationStatus {
	s := tunnel.ConfigurationStatus{State: tunnel.ConfigFailed, Reason: tunnel.RunFailed, Message: tunnel.Clean(err.Error(), 500)}
	var bad settingsError
	var status *tunnel.StatusError
	switch {
	case errors.As(err, &bad) && errors.Is(err, tunnel.ErrInvalid):
		s.State, s.Reason = tunnel.ConfigInvalid, tunnel.SettingsInvalid
	case errors.As(err, &bad) && errors.As(err, &status):
		s.Reason = status.Reason
	case errors.Is(err, tunnel.ErrPortCollision):
		s.Reason = tunnel.Reason(tunnel.PortCollision)
	case errors.Is(err, tunnel.ErrPolicyRefused):
		s.Reason = tunnel.Reason(tunnel.PolicyRefused)
	case errors.Is(err, tunnel.ErrNotOwner):
		s.Reason = tunnel.Reason(tunnel.NotOwner)
	}
	return s
}
