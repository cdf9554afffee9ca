package tunnel

import (
	"fmt"
	"slices"
)

// Circumstances are what decides, beside the operator's suspension, whether a tunnel shall run (R55, R56).
type Circumstances struct {
	Installed bool // the owner's module has a usable binary; always so for Operator
	Enabled   bool // a declared tunnel: its own configuration; another: any of its owner's; always so for Operator

	// Idle is a configuration whose enabling would make the tunnel active, "" where the owner has none.
	Idle string
}

// Stand applies the lifecycle rule to t: whether a link is due and, where not, why and which command makes it so. A
// suspended tunnel is Disabled whatever else hinders it, because the operator alone can end that.
func Stand(t Tunnel, c Circumstances) Wanted {
	w := Wanted{Tunnel: t}
	owner := Clean(string(t.Ref.Owner), MaxName)
	switch {
	case t.Suspended:
		w.State, w.Reason = Disabled, SuspendedReason
		w.Message, w.Remedy = "it is switched off", "culvert tunnel enable "+Clean(t.Ref.String(), shown)
	case !c.Installed:
		w.State, w.Reason = Inactive, ModuleMissing
		w.Message = fmt.Sprintf("the plugin of module %s is not there", owner)
		w.Remedy = fmt.Sprintf("install it again; culvert module show %s says more", owner)
	case !c.Enabled:
		w.State, w.Reason = Inactive, NoConfiguration
		w.Message, w.Remedy = t.unconfigured(owner, c.Idle)
	default:
		w.Active = true
	}
	return w
}

func (t Tunnel) unconfigured(owner, idle string) (message, remedy string) {
	if t.Configuration != "" {
		idle = t.Configuration
		message = fmt.Sprintf("its configuration %s/%s is disabled", owner, idle)
	} else {
		message = fmt.Sprintf("module %s has no enabled configuration", owner)
	}
	if idle == "" {
		return message, fmt.Sprintf("culvert config add %s/default", owner)
	}
	return message, fmt.Sprintf("culvert config enable %s/%s", owner, idle)
}

// Status is what everyone sees of w: what was last reported of a tunnel that shall run, Connecting before the first
// report, and otherwise why it does not. There is one entry per mapping in the tunnel's order; without a proved link
// each is down, for the tunnel's reason, unless it has had a verdict of its own, and without any link it has no
// connections: one that fell silent may keep its own.
func (w Wanted) Status(reported Status) Status {
	s := reported
	switch {
	case !w.Active:
		s = Status{State: w.State, Reason: w.Reason, Message: w.Message, Remedy: w.Remedy, Warnings: reported.Warnings}
		if reported.State == w.State && reported.Reason == w.Reason {
			s.Since = reported.Since
		}
	case s.State == "":
		s.State = Connecting
	}
	s.Mappings = make([]MappingStatus, len(w.Tunnel.Mappings))
	for i, m := range w.Tunnel.Mappings {
		ms := reported.Mapping(m.Name)
		if !s.State.Linked() && !(w.Active && ms.judged()) {
			ms.State, ms.Reason, ms.Message, ms.Remedy, ms.Diagnosis = Down, s.Reason, s.Message, s.Remedy, s.Diagnosis.clone()
		}
		if !s.State.Linked() && ms.State == Down {
			ms.Bound = BoundUnknown
		}
		if !w.Active {
			ms.Listener, ms.Target, ms.Connections, ms.Callers = Statement{}, Statement{}, 0, closed(ms.Callers)
		}
		if ms.State == "" {
			ms.State = Down
		}
		if ms.Bound == "" {
			ms.Bound = BoundUnknown
		}
		s.Mappings[i] = ms
	}
	return s
}

// judged reports whether m is said to be proved, or why it is not.
func (m MappingStatus) judged() bool { return m.State == Up || m.State == Unproved || m.Reason != "" }

// closed are callers whose connections have ended.
func closed(callers []Caller) []Caller {
	out := slices.Clone(callers)
	for i := range out {
		out[i].Open = 0
	}
	return out
}

// Same reports whether a watcher sees no difference between s and o: the states, reasons and causes of the tunnel and of
// each mapping are equal, and the sentence of a first attempt, which says how far it has come. Proof times, statements,
// counters and other sentences alone are no change.
func (s Status) Same(o Status) bool {
	if s.State != o.State || s.Reason != o.Reason || s.Diagnosis.Code() != o.Diagnosis.Code() || s.stage() != o.stage() || len(s.Mappings) != len(o.Mappings) {
		return false
	}
	for i, m := range s.Mappings {
		if n := o.Mappings[i]; m.Name != n.Name || !m.same(n) {
			return false
		}
	}
	return true
}

// same reports whether m and n have the same state, for the same reason and cause.
func (m MappingStatus) same(n MappingStatus) bool {
	return m.State == n.State && m.Reason == n.Reason && m.Diagnosis.Code() == n.Diagnosis.Code()
}

// stage is how far an attempt has come that no failure came before.
func (s Status) stage() string {
	if s.State == Connecting && s.Reason == "" {
		return s.Message
	}
	return ""
}
