package registry_test

import (
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func up(names ...string) tunnel.Status {
	s := tunnel.Status{State: tunnel.Up, Since: time.Now()}
	for _, name := range names {
		s.Mappings = append(s.Mappings, tunnel.MappingStatus{Name: name, State: tunnel.Up, ProvedAt: time.Now(), Bound: tunnel.BoundLoopback})
	}
	return s
}

func (h *host) wantState(text string, state tunnel.State, reason tunnel.Reason) tunnel.Status {
	h.t.Helper()
	s := h.view(text).Status
	if s.State != state || s.Reason != reason {
		h.t.Errorf("%s is %s (%s), want %s (%s)", text, s.State, s.Reason, state, reason)
	}
	return s
}

// TestNothingIsUpThatWasNotProved: what was said of another server, another mapping or before a pause does not count.
func TestNothingIsUpThatWasNotProved(t *testing.T) {
	office := ref("operator/office")
	to := server("b.example")
	for _, c := range []struct {
		what string
		do   func(h *host) error
		want tunnel.State
		up   []string // mappings that are up afterwards
	}{
		{"another server", func(h *host) error { return h.edit("operator/office", tunnel.Edit{Server: &to}) }, tunnel.Connecting, nil},
		{"another mapping", func(h *host) error {
			return h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "c=1391:391")}})
		}, tunnel.Degraded, []string{"a", "b"}},
		{"a mapping changed", func(h *host) error {
			return h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "a=1392:389")}})
		}, tunnel.Degraded, []string{"b"}},
		{"leave to be wider taken", func(h *host) error {
			h.must(h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Expose, "a=80:8080")}, AcceptWider: []string{"a"}}))
			h.Report(office, up("a", "b"))
			return h.edit("operator/office", tunnel.Edit{RefuseWider: []string{"a"}})
		}, tunnel.Degraded, []string{"b"}},
		{"a pause", func(h *host) error {
			h.must(h.SuspendTunnel(h.ctx(), by, office, true))
			h.Report(office, up("a", "b")) // a late word
			return h.SuspendTunnel(h.ctx(), by, office, false)
		}, tunnel.Connecting, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHost(t)
			h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"), mapping(tunnel.Reach, "b=1390:390"))
			h.Report(office, up("a", "b"))
			h.wantState("operator/office", tunnel.Up, "")
			h.must(c.do(h))
			s := h.wantState("operator/office", c.want, "")
			for _, m := range h.view("operator/office").Mappings {
				if got := s.Mapping(m.Name); (got.State == tunnel.Up) != slices.Contains(c.up, m.Name) {
					t.Errorf("mapping %+v, those that are up should be %v", got, c.up)
				}
			}
			h.Report(office, up("a", "b", "c"))
			h.wantState("operator/office", tunnel.Up, "")
		})
	}
}

func TestStateEvents(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	h.told()
	office := ref("operator/office")
	h.Report(office, up("a"))
	h.Report(office, up("a")) // proofs move on: no event
	waiting := tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable, Message: "no route"}
	h.Report(office, waiting)
	h.Report(office, waiting)
	h.must(h.SuspendTunnel(h.ctx(), by, office, true))
	type line struct {
		typ            tunnel.EventType
		actor, subject string
		was, state     string
		reason         tunnel.Reason
	}
	want := []line{
		{tunnel.TunnelState, "host", "operator/office", "connecting", "up", ""},
		{tunnel.MappingState, "host", "operator/office/a", "down", "up", ""},
		{tunnel.TunnelState, "host", "operator/office", "up", "waiting", tunnel.Unreachable},
		{tunnel.MappingState, "host", "operator/office/a", "up", "down", tunnel.Unreachable},
		{tunnel.TunnelChanged, by, "operator/office", "", "", ""},
		{tunnel.TunnelState, "host", "operator/office", "waiting", "disabled", tunnel.SuspendedReason},
		{tunnel.MappingState, "host", "operator/office/a", "down", "down", tunnel.SuspendedReason},
	}
	var got []line
	for _, e := range h.told() {
		if e.Time.IsZero() {
			t.Errorf("event without a time: %+v", e)
		}
		got = append(got, line{e.Type, e.Actor, e.Subject, e.Fields["was"], e.Fields["state"], e.Reason})
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n got %+v\nwant %+v", got, want)
	}
}

// TestInactiveTunnelsSayHowToMakeThemActive goes through the lifecycle with both sorts of tunnel.
func TestInactiveTunnelsSayHowToMakeThemActive(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.add("adsync/extra", "a.example", byKey(), mapping(tunnel.Reach, "1389:389"))
	remedy := func(text, want string) {
		t.Helper()
		if got := h.view(text).Status.Remedy; got != want {
			t.Errorf("%s: remedy %q, want %q", text, got, want)
		}
	}
	h.must(h.EnableConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	for _, text := range []string{"adsync/berlin.site", "adsync/extra"} {
		h.wantState(text, tunnel.Inactive, tunnel.NoConfiguration)
		remedy(text, "culvert config enable adsync/berlin")
	}
	_, err := h.AddConfiguration(h.ctx(), by, conf("adsync/rome"), nil, true)
	h.must(err)
	h.wantState("adsync/berlin.site", tunnel.Inactive, tunnel.NoConfiguration)
	h.wantState("adsync/extra", tunnel.Connecting, "") // R56
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/rome"), false))
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	h.absent("adsync/berlin.site")
	h.wantState("adsync/extra", tunnel.Inactive, tunnel.NoConfiguration)
	remedy("adsync/extra", "culvert config add adsync/default")
	h.SetPresent(nil)
	h.wantState("adsync/extra", tunnel.Inactive, tunnel.ModuleMissing)
	h.must(h.SuspendTunnel(h.ctx(), by, ref("adsync/extra"), true))
	h.wantState("adsync/extra", tunnel.Disabled, tunnel.SuspendedReason)
	h.reopen()
	h.wantState("adsync/extra", tunnel.Disabled, tunnel.SuspendedReason)
}

// edition is what a report about the present of a tunnel names.
func (h *host) edition(text string) uint64 {
	h.t.Helper()
	for w := range h.Wanted(h.ctx()) {
		if w.Tunnel.Ref == ref(text) {
			return w.Edition
		}
	}
	h.t.Fatalf("nothing is wanted of %s", text)
	return 0
}

// TestAReportOfAFormerEditionIsDropped: what was seen of the mappings before a change is not said of those after it.
func TestAReportOfAFormerEditionIsDropped(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	before := h.edition("operator/office")
	if before == 0 {
		t.Fatal("no edition")
	}
	old := up("a")
	old.Edition = before
	h.Report(ref("operator/office"), old)
	if s := h.view("operator/office").Status.State; s != tunnel.Up {
		t.Fatalf("it is %s", s)
	}
	_, err := h.EditTunnel(t.Context(), by, ref("operator/office"), tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "a=1390:390")}})
	h.must(err)
	h.Report(ref("operator/office"), old)
	if s := h.view("operator/office").Status.State; s == tunnel.Up {
		t.Error("the report of the former mappings made the new ones up")
	}
	now := h.edition("operator/office")
	if now <= before {
		t.Errorf("edition %d after %d", now, before)
	}
	fresh := up("a")
	fresh.Edition = now
	h.Report(ref("operator/office"), fresh)
	if s := h.view("operator/office").Status.State; s != tunnel.Up {
		t.Errorf("it is %s", s)
	}
}

// TestWhatIsReadIsCountedFirst: whoever reads tunnels sees what they carry as of now.
func TestWhatIsReadIsCountedFirst(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	h.add("operator/other", "a.example", byKey(), mapping(tunnel.Reach, "a=1390:389"))
	h.Report(ref("operator/office"), up("a"))
	asked, now := 0, uint64(0)
	h.count = func(refs ...tunnel.Ref) {
		if len(refs) > 0 && !slices.Equal(refs, []tunnel.Ref{ref("operator/office")}) {
			t.Errorf("asked for %v", refs)
		}
		asked, now = asked+1, now+10
		s := up("a")
		s.Mappings[0].BytesIn = now
		h.Report(ref("operator/office"), s)
	}
	h.reopen()
	if got := h.view("operator/office").Status.Mapping("a").BytesIn; got != 10 {
		t.Errorf("%d bytes", got)
	}
	for v, err := range h.List(h.ctx()) {
		h.must(err)
		if got := v.Status.Mapping("a").BytesIn; v.Ref.Name == "office" && got != 20 {
			t.Errorf("%d bytes", got)
		}
	}
	if asked != 2 {
		t.Errorf("counted %d times", asked)
	}
}
