package pluginhost

import (
	"context"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What became of a module's process when what it may was changed.
const (
	NoProcess = "none"      // none ran
	Restarted = "restarted" // it was ended, and one is started anew
	Ended     = "ended"     // it was ended, and none is started before what hinders that is settled
	Kept      = "kept"      // it runs on as it was
)

// Effect is what became of a module's process when what it may was changed, and why.
type Effect struct {
	Process string // one of the above
	Message string // one clause about it
	Remedy  string // what has a process start with what is granted now, "" where one does, or will
}

// Regrant has the module take up that the operator granted it something a moment ago, or with less, took it back: its
// process is ended, and started again with what is granted then. Doors that are not granted any more are closed at once,
// and with less the process of before has ended when it returns, unless ctx ended first.
//
// Where nothing can be started, because another binary waits or the one there cannot be used, what is granted is not taken
// up before that is settled: a process that runs is kept until then. One that was granted less is ended all the same.
func (h *Host) Regrant(ctx context.Context, by string, name tunnel.Owner, grant tunnel.Grant, less bool) Effect {
	m := h.lookup(name)
	if m == nil {
		return Effect{Process: NoProcess, Message: "no process of it runs"}
	}
	m.mu.Lock()
	doors := m.doors
	m.mu.Unlock()
	if doors != nil {
		doors.review(ctx)
	}
	return m.retake(ctx, by, grant, less)
}

// Distrust takes back that the module's binary runs where nothing confines it. On such a machine its process has ended
// when it returns. Where that was not allowed it is tunnel.ErrNotFound.
func (h *Host) Distrust(ctx context.Context, by string, name tunnel.Owner) (Effect, error) {
	m, err := h.installed(name)
	if err != nil {
		return Effect{}, err
	}
	m.mu.Lock()
	trusted := m.trusted
	m.mu.Unlock()
	if trusted == "" {
		return Effect{}, tunnel.Findings{{
			Code: tunnel.NotFound, Field: "grant", Value: string(tunnel.Unsandboxed),
			Message: fmt.Sprintf("module %s was not allowed to run unsandboxed", name), WayOut: "nothing needs to be done",
		}}
	}
	if err := h.cfg.Catalog.AllowUnsandboxed(ctx, by, name, ""); err != nil {
		return Effect{}, err
	}
	m.update(func() { m.trusted = "" })
	return m.retake(ctx, by, tunnel.Grant(tunnel.Unsandboxed), true), nil
}

// retake begins a new turn where what was changed is to be taken up by one, and tells what became of the present one.
func (m *module) retake(ctx context.Context, by string, grant tunnel.Grant, less bool) (e Effect) {
	m.update(func() {
		_, why := m.blockedLocked()
		e = effect(m.life != dead, m.neededLocked(), less, why)
		if why == nil || less {
			m.turn++
		}
	})
	if e.Process == NoProcess {
		return e
	}
	if less && m.wait(ctx, func() (bool, error) { return m.life == dead || m.served == m.turn, nil }) != nil {
		e.Message = "it is being ended: " + e.Message
	}
	change := map[bool]string{true: "taken back", false: "granted"}[less]
	m.tellEffect(by, tunnel.Event{
		Message: fmt.Sprintf("%s was %s: %s", tunnel.Clean(string(grant), 200), change, e.Message),
		Fields:  map[string]string{"process": e.Process},
	})
	return e
}

// effect says what becomes of a process: whether one runs, one is needed, something was taken back, and why none could be
// started.
func effect(runs, needed, less bool, why *unusable) (e Effect) {
	with := map[bool]string{true: "without it", false: "with it"}[less]
	switch {
	case !runs && why == nil:
		e = Effect{Process: NoProcess, Message: "no process of it runs: the next one starts " + with}
	case !runs:
		e = Effect{Process: NoProcess, Message: "no process of it runs, and none can be started: " + why.message, Remedy: why.remedy}
	case why == nil && needed:
		e = Effect{Process: Restarted, Message: "its process was ended, and is started anew " + with}
	case why == nil:
		e = Effect{Process: Ended, Message: "its process was ended, and the next one starts " + with}
	case less:
		e = Effect{Process: Ended, Message: "its process was ended, and none can be started: " + why.message, Remedy: why.remedy}
	default:
		e = Effect{Process: Kept, Message: "its process runs on without it: " + why.message, Remedy: why.remedy}
	}
	return e
}

// tellEffect puts into journal and log who had what done to the process, which e says.
func (m *module) tellEffect(by string, e tunnel.Event) {
	m.log.say("%s", e.Message)
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Time, e.Type, e.Actor, e.Subject, e.Reason = time.Now().UTC(), tunnel.ModuleState, by, string(m.name), m.told.Reason
	e.Fields["state"], e.Fields["was"] = string(m.told.State), string(m.told.State)
	m.host.cfg.Tell(e)
}
