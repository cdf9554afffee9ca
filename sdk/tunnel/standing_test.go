package tunnel

import (
	"strings"
	"testing"
	"time"
)

func TestStand(t *testing.T) {
	operators, made := Tunnel{Ref: Ref{Operator, "a"}}, Tunnel{Ref: Ref{"hello", "a"}}
	declared := Tunnel{Ref: Ref{"hello", "c.site"}, Configuration: "c", Settings: "site"}
	suspended := made
	suspended.Suspended = true
	for _, c := range []struct {
		name    string
		tunnel  Tunnel
		in      Circumstances
		state   State
		reason  Reason
		message string
		remedy  string
	}{
		{"the operator's", operators, Circumstances{Installed: true, Enabled: true}, "", "", "", ""},
		{"suspended before all else", suspended, Circumstances{}, Disabled, SuspendedReason, "switched off", "culvert tunnel enable hello/a"},
		{"no module", made, Circumstances{Enabled: true}, Inactive, ModuleMissing, "hello", "culvert module show hello"},
		{"nothing configured", made, Circumstances{Installed: true}, Inactive, NoConfiguration, "module hello has no enabled configuration", "culvert config add hello/default"},
		{"something to enable", made, Circumstances{Installed: true, Idle: "b"}, Inactive, NoConfiguration, "module hello", "culvert config enable hello/b"},
		{"its own disabled", declared, Circumstances{Installed: true, Idle: "b"}, Inactive, NoConfiguration, "hello/c is disabled", "culvert config enable hello/c"},
		{"active", declared, Circumstances{Installed: true, Enabled: true}, "", "", "", ""},
	} {
		w := Stand(c.tunnel, c.in)
		if w.Active != (c.state == "") || w.State != c.state || w.Reason != c.reason || !strings.Contains(w.Message, c.message) || !strings.Contains(w.Remedy, c.remedy) {
			t.Errorf("%s: got %+v", c.name, w)
		}
	}
}

func TestWantedStatus(t *testing.T) {
	since := time.Now()
	v := Tunnel{Ref: Ref{Operator, "a"}, Mappings: []Mapping{{Name: "x"}, {Name: "y"}}}
	up := Status{State: Degraded, Since: since, Mappings: []MappingStatus{{Name: "gone", State: Up}, {Name: "y", State: Up, Bound: BoundAll, Connections: 2}}}

	s := Stand(v, Circumstances{Installed: true, Enabled: true}).Status(up)
	if s.State != Degraded || !s.Since.Equal(since) || len(s.Mappings) != 2 || s.Mappings[0].Name != "x" || s.Mappings[0].State != Down || s.Mappings[0].Bound != BoundUnknown {
		t.Errorf("got %+v", s)
	}
	if y := s.Mapping("y"); y.State != Up || y.Bound != BoundAll || y.Connections != 2 {
		t.Errorf("got %+v", y)
	}

	v.Suspended = true
	s = Stand(v, Circumstances{}).Status(up)
	if s.State != Disabled || s.Reason != SuspendedReason || !s.Since.IsZero() || s.Remedy == "" {
		t.Errorf("got %+v", s)
	}
	for _, m := range s.Mappings {
		if m.State != Down || m.Reason != SuspendedReason || m.Remedy != s.Remedy || m.Connections != 0 || m.Bound != BoundUnknown {
			t.Errorf("got %+v", m)
		}
	}

	seen := []Caller{{Address: "192.0.2.9", Open: 2, Total: 7}}
	lost := Status{State: Waiting, Reason: LinkLost, Diagnosis: &Diagnosis{Cause: Reset}, Mappings: []MappingStatus{
		{Name: "y", Listener: Statement{State: Up}, Target: Statement{State: Down}, Connections: 2, Total: 7, Callers: seen}}}
	s = Wanted{Tunnel: v, Active: true}.Status(lost)
	if y := s.Mapping("y"); y.Diagnosis.Code() != Reset || y.Listener.State != Up || y.Target.State != Down || y.Total != 7 ||
		y.Connections != 2 || y.Callers[0].Open != 2 || y.Callers[0].Total != 7 {
		t.Errorf("with a link that rests: %+v", y)
	}
	apart := Status{State: Waiting, Reason: LinkLost, Mappings: []MappingStatus{{Name: "x", State: Up, Bound: BoundAll}, {Name: "y", State: Down, Reason: RemotePortHeld, Bound: BoundAll}}}
	s = Wanted{Tunnel: v, Active: true}.Status(apart)
	if x, y := s.Mapping("x"), s.Mapping("y"); x.State != Up || x.Reason != "" || x.Bound != BoundAll || y.State != Down || y.Reason != RemotePortHeld || y.Bound != BoundUnknown {
		t.Errorf("judged beside a link that is lost: %+v", s.Mappings)
	}
	for _, m := range Stand(v, Circumstances{}).Status(apart).Mappings {
		if m.State != Down || m.Reason != SuspendedReason {
			t.Errorf("proved before it was switched off: %+v", m)
		}
	}
	if y := Stand(v, Circumstances{}).Status(lost).Mapping("y"); y.Diagnosis != nil || y.Listener != (Statement{}) || y.Target != (Statement{}) ||
		y.Connections != 0 || y.Total != 7 || y.Callers[0].Open != 0 || y.Callers[0].Total != 7 || seen[0].Open != 2 {
		t.Errorf("switched off: %+v", y)
	}

	for _, c := range []struct {
		state  State
		reason Reason
		kept   bool
	}{{Disabled, SuspendedReason, true}, {Disabled, NoConfiguration, false}, {Inactive, SuspendedReason, false}} {
		s := Stand(v, Circumstances{}).Status(Status{State: c.state, Reason: c.reason, Since: since})
		if s.Since.Equal(since) != c.kept {
			t.Errorf("after %s (%s): since %v", c.state, c.reason, s.Since)
		}
	}

	s = Wanted{Tunnel: v, Active: true}.Status(Status{})
	if s.State != Connecting || s.Mappings[1].State != Down {
		t.Errorf("got %+v", s)
	}
}

func TestStatusSame(t *testing.T) {
	base := func() Status {
		return Status{State: Up, Mappings: []MappingStatus{{Name: "x", State: Up}}}
	}
	for name, c := range map[string]struct {
		change func(*Status)
		same   bool
	}{
		"nothing":        {func(*Status) {}, true},
		"proof":          {func(s *Status) { s.Mappings[0].ProvedAt = time.Now() }, true},
		"counters":       {func(s *Status) { s.Mappings[0].BytesIn = 7 }, true},
		"statements":     {func(s *Status) { s.Link.State, s.Mappings[0].Target.State = Down, Down }, true},
		"evidence":       {func(s *Status) { s.Diagnosis = &Diagnosis{Evidence: []string{"x"}} }, true},
		"cause":          {func(s *Status) { s.Diagnosis = &Diagnosis{Cause: NoRoute} }, false},
		"mapping cause":  {func(s *Status) { s.Mappings[0].Diagnosis = &Diagnosis{Cause: NoRoute} }, false},
		"sentence":       {func(s *Status) { s.Message, s.NextAttempt = "x", time.Now() }, true},
		"state":          {func(s *Status) { s.State = Degraded }, false},
		"reason":         {func(s *Status) { s.Reason = LinkLost }, false},
		"mapping state":  {func(s *Status) { s.Mappings[0].State = Down }, false},
		"mapping reason": {func(s *Status) { s.Mappings[0].Reason = TargetRefused }, false},
		"mapping name":   {func(s *Status) { s.Mappings[0].Name = "y" }, false},
		"no mappings":    {func(s *Status) { s.Mappings = nil }, false},
	} {
		s := base()
		c.change(&s)
		if s.Same(base()) != c.same || base().Same(s) != c.same {
			t.Errorf("%s: same is %v", name, !c.same)
		}
	}
}
