package control

import (
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Status is the whole on one screen: what is wrong and what to do.
type Status struct {
	OK       bool           `json:"ok"` // everything enabled is up, and no job failed
	Problems []Problem      `json:"problems"`
	Notes    []Problem      `json:"notes"`   // worth knowing; nothing enabled suffers from it
	Tunnels  map[string]int `json:"tunnels"` // how many per state
	Modules  map[string]int `json:"modules"`
	Jobs     map[string]int `json:"jobs"` // how many by what came of the last run: ok, partial, failed, not-run
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Subject string  `json:"subject"` // OWNER/NAME, OWNER/NAME/MAPPING, MODULE or MODULE/CONFIGURATION
	Reason  *string `json:"reason"`
	Cause   *string `json:"cause"` // null where the reason says it all
	Message string  `json:"message"`
	Remedy  string  `json:"remedy"`
	More    string  `json:"more"` // the command that says more, "" where there is none
}

// newStatus is a Status in which nothing is wrong yet.
func newStatus() Status {
	return Status{OK: true, Problems: []Problem{}, Notes: []Problem{}, Tunnels: map[string]int{}, Modules: map[string]int{}, Jobs: map[string]int{}}
}

func (s *Status) problem(subject string, reason *string, message, remedy string) {
	s.OK = false
	s.Problems = append(s.Problems, Problem{Subject: subject, Reason: reason, Message: message, Remedy: remedy})
}

// tunnel counts t and says what is wrong with it. A tunnel the operator switched off, by itself or by its
// configuration, is as it should be.
func (s *Status) tunnel(t Tunnel) {
	s.Tunnels[t.State]++
	switch {
	case !t.Enabled, t.State == string(tunnel.Disabled):
	case t.State == string(tunnel.Up):
		s.openDoors(t)
	case t.State == string(tunnel.Inactive) && is(t.Reason, tunnel.NoConfiguration):
	case t.State == string(tunnel.Degraded):
		s.mappings(t)
		s.openDoors(t)
	default:
		s.wrong(Problem{Subject: t.Ref(), Reason: t.Reason, Cause: t.Cause, Message: orElse(t.Message, t.Ref()+" is "+t.State), Remedy: t.Remedy})
	}
}

// mappings names each mapping of a degraded tunnel that is not up, or the tunnel where none is to blame.
func (s *Status) mappings(t Tunnel) {
	before := len(s.Problems)
	for _, m := range t.Mappings {
		if m.State != string(tunnel.Up) {
			subject := t.Ref() + "/" + m.Name
			s.wrong(Problem{Subject: subject, Reason: m.Reason, Cause: m.Cause, Message: orElse(m.Message, subject+" is "+m.State), Remedy: m.Remedy})
		}
	}
	if len(s.Problems) == before {
		s.wrong(Problem{Subject: t.Ref(), Reason: t.Reason, Cause: t.Cause, Message: orElse(t.Message, t.Ref()+" is "+t.State), Remedy: t.Remedy})
	}
}

// wrong adds what is wrong with a tunnel or a mapping.
func (s *Status) wrong(p Problem) {
	p.More = "culvert tunnel why " + p.Subject
	s.OK = false
	s.Problems = append(s.Problems, p)
}

// openDoors notes each port of t that more can connect to than was declared, because an operator accepted it.
func (s *Status) openDoors(t Tunnel) {
	reason := string(tunnel.WiderThanDeclared)
	for _, m := range t.Mappings {
		if m.AcceptedWider && !m.Gateway && m.Bound == string(tunnel.BoundAll) {
			s.Notes = append(s.Notes, Problem{Subject: t.Ref() + "/" + m.Name, Reason: &reason,
				Message: fmt.Sprintf("hosts connected to the SSH server can connect to its port %d: wider than declared, and accepted", m.Remote.Port),
				Remedy:  "if it shall not be so: culvert tunnel set " + t.Ref() + " --refuse-wider " + m.Name, More: "culvert tunnel show " + t.Ref()})
		}
	}
}

// module counts m and says what is wrong with it. It is a problem where an enabled configuration needs the module and
// no process runs; else, as with a file that is no module or another binary while the old process runs on, a note.
func (s *Status) module(m Module, needed bool) {
	s.Modules[m.State]++
	switch message := orElse(m.Message, m.Name+" is "+m.State); {
	case m.Reason == nil:
	case needed && m.State != "running":
		s.problem(m.Name, m.Reason, message, m.Remedy)
	default:
		s.Notes = append(s.Notes, Problem{Subject: m.Name, Reason: m.Reason, Message: message, Remedy: m.Remedy})
	}
	if !needed {
		return // what it was granted opens nothing to nobody
	}
	for _, n := range m.Notes {
		s.Notes = append(s.Notes, Problem{Subject: m.Name, Message: n.About + ": " + n.Message, Remedy: n.Remedy, More: "culvert module show " + m.Name})
	}
}

// configuration says what is wrong with an enabled configuration.
func (s *Status) configuration(c Configuration) {
	switch state := tunnel.ConfigurationState(c.State); {
	case !c.Enabled:
	case state == tunnel.ConfigWaiting && c.Reason == nil: // as with a daemon that has just started
		s.problem(c.Ref(), nil, orElse(c.Message, "its module is not running yet"), "ask again in some seconds; if it stays so: culvert config show "+c.Ref())
	case state == tunnel.ConfigInvalid, state == tunnel.ConfigFailed, state == tunnel.ConfigWaiting:
		s.problem(c.Ref(), c.Reason, orElse(c.Message, c.Ref()+" is "+c.State), "culvert config show "+c.Ref())
	}
}

func is(reason *string, r tunnel.Reason) bool { return reason != nil && *reason == string(r) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
