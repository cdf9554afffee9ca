package pluginhost

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// State is how a module is, as the outside sees it.
type State string

// The states of a module.
//
//	         a binary is there          a configuration is enabled
//	(failed) ----------------> stopped --------------------> starting -> running
//	                              ^                              |          |
//	                              +------- none is any more -----+----------+
//	                                                             v          v
//	                                                          waiting <- it ended
//
// A binary that is not the accepted one waits in Accept, or beside the states of the accepted one, which runs on and is
// started again from its copy. So does every binary where nothing confines modules.
const (
	Stopped  State = "stopped"  // no configuration is enabled: no process is needed
	Starting State = "starting" // or describing itself for the first time
	Running  State = "running"
	Waiting  State = "waiting" // for the next start, after one that failed
	Failed   State = "failed"  // cannot run, see the reason
	Accept   State = "accept"  // nothing runs before the operator accepts the binary
)

// Module is how one module is right now.
type Module struct {
	Name     tunnel.Owner
	Version  string // of the accepted binary, as the module says
	SHA256   string // of the accepted binary, in hex
	Contract int    // the version of the contract that it speaks, 0 where not known
	State    State
	Reason   tunnel.Reason // "" where nothing is wrong
	Message  string
	Remedy   string
	PID      int        // 0 where no process runs
	RSS      uint64     // bytes of memory it has, 0 where unknown
	Restarts int        // since the daemon's start, those the operator asked for left out
	Sandbox  Sandbox    // how it is confined
	Trusted  bool       // its binary may run where nothing confines it
	Pending  *Candidate // the binary that waits for acceptance, nil where none does
	Notes    []Note     // what of its grants opens nothing, and other things worth knowing
}

// Pid is the process of a module, 0 where none runs. One that is only starting, or only describes itself, is not yet its.
func (h *Host) Pid(name tunnel.Owner) int {
	m := h.lookup(name)
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pidLocked()
}

func (m *module) pidLocked() int {
	if m.process == nil {
		return 0
	}
	return m.process.process.pid()
}

// status is how the module is, but for its notes, and what these are made from.
func (m *module) status() (s Module, v survey, listed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.statusLocked()
	if s.PID != 0 {
		s.RSS = residentMemory(s.PID)
	}
	return s, m.surveyLocked(), m.listedLocked()
}

// listedLocked reports whether there is anything to show: a name that once was in the directory is not.
func (m *module) listedLocked() bool {
	return m.found.there || len(m.runs) > 0 || m.life != dead
}

// statusLocked says how the module is; memory and notes are left out.
func (m *module) statusLocked() Module {
	s := Module{Name: m.name, Sandbox: m.host.confinement(), Restarts: m.restarts, Pending: m.candidateLocked()}
	if m.pin != nil {
		s.SHA256, s.Version, s.Contract = m.pin.SHA256, m.pin.Description.Version, m.pin.Description.Contract
		s.Trusted = m.trusted == m.pin.SHA256
	}
	if m.contract != 0 {
		s.Contract = m.contract
	}
	s.PID = m.pidLocked()
	var why *unusable
	s.State, why = m.stateLocked()
	if why != nil {
		s.Reason, s.Message, s.Remedy = why.reason, why.message, why.remedy
	}
	return s
}

func (m *module) stateLocked() (State, *unusable) {
	state := map[life]State{starting: Starting, alive: Running, ending: Running}[m.life]
	blocked, why := m.blockedLocked()
	strange, aside := m.strangeLocked() // which keeps from nothing, where why is nil
	switch {
	case m.closed:
		return Stopped, nil
	case m.life != dead && why != nil:
		return state, why
	case m.life != dead && m.served != m.turn && m.neededLocked():
		return Starting, aside // what was asked for since is what counts: the present process ends
	case m.life != dead:
		return state, aside
	case why != nil && m.uncopiedLocked() != (want{}):
		return Starting, why // from a copy, if there is one: that is being looked for
	case why != nil:
		return blocked, why
	case m.pin == nil && m.mute != nil:
		return Failed, m.mute
	case m.pin == nil:
		return Starting, nil
	case !m.neededLocked() && aside != nil:
		return strange, aside
	case !m.neededLocked():
		return Stopped, nil
	case m.problem == nil:
		return Starting, aside
	case lasting(m.problem):
		return Failed, m.problem
	}
	return Waiting, m.problem
}

// tellLocked tells the journal and the registry what changed for them.
func (m *module) tellLocked() {
	if m.closed {
		return // the host ends, and with it what could be told of
	}
	m.tellModuleLocked()
	m.tellRunsLocked()
}

func (m *module) tellModuleLocked() {
	s := m.statusLocked()
	was := m.told
	m.told = s
	if s.State == was.State && s.Reason == was.Reason {
		return
	}
	m.log.say("%s", strings.Join(slices.DeleteFunc([]string{string(s.State), string(s.Reason), s.Message}, func(t string) bool { return t == "" }), ": "))
	m.host.cfg.Tell(tunnel.Event{
		Time: time.Now().UTC(), Type: tunnel.ModuleState, Actor: "host", Subject: string(m.name), Reason: s.Reason, Message: s.Message,
		Fields: map[string]string{"state": string(s.State), "was": string(was.State)},
	})
}

// tellRunsLocked reports every configuration whose status changed.
func (m *module) tellRunsLocked() {
	maps.DeleteFunc(m.toldRuns, func(name string, _ tunnel.ConfigurationStatus) bool {
		_, there := m.runs[name]
		return !there
	})
	for name, r := range m.runs {
		s := m.runStatusLocked(r)
		if m.toldRuns[name] != s {
			m.toldRuns[name] = s
			m.host.cfg.Catalog.ReportConfiguration(r.Ref, s)
		}
	}
}

// runStatusLocked is how one configuration is: what its run says, or why it does not run.
func (m *module) runStatusLocked(r tunnel.Run) tunnel.ConfigurationStatus {
	if !r.Enabled {
		return tunnel.ConfigurationStatus{State: tunnel.ConfigDisabled}
	}
	if a := m.active[r.Ref.Name]; a != nil && m.currentLocked() {
		return a.status
	}
	s := tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting, Reason: m.told.Reason, Message: m.told.Message}
	if s.Reason == "" {
		s.Message = "its module is not running yet"
	}
	return s
}

// residentMemory is what the process has in memory, in bytes.
func residentMemory(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
