package registry_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// connected is a report in which these connected just now through mapping a, and are there no more.
func connected(addresses ...string) tunnel.Status {
	s := up("a")
	for _, a := range addresses {
		s.Mappings[0].Callers = append(s.Mappings[0].Callers, tunnel.Caller{Address: a, Total: 1, Last: time.Now()})
	}
	return s
}

// newCallers are the addresses of the caller-new events since the last call, and the counts of those without a line.
func (h *host) newCallers() (all []string) {
	h.t.Helper()
	for _, e := range h.told() {
		if e.Type != tunnel.CallerNew {
			continue
		}
		if e.Subject != "operator/office/a" || e.Actor != "host" || e.Message == "" {
			h.t.Errorf("event %+v", e)
		}
		if more, ok := e.Fields["more"]; ok {
			all = append(all, "+"+more)
			continue
		}
		if !maps.Equal(e.Fields, map[string]string{"address": e.Fields["address"], "kind": "expose-gateway"}) {
			h.t.Errorf("fields %v", e.Fields)
		}
		all = append(all, e.Fields["address"])
	}
	return all
}

// called has a tunnel with the mapping a.
func called(t *testing.T) *host {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.ExposeGateway, "a=80:8080"))
	return h
}

// TestWhoConnectsIsTold: once, and again after an hour of silence.
func TestWhoConnectsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, office := called(t), ref("operator/office")
		want := func(want ...string) {
			t.Helper()
			if got := h.newCallers(); !slices.Equal(got, want) {
				t.Errorf("new callers %q, want %q", got, want)
			}
		}
		h.Report(office, up("a"))
		h.Report(office, connected("192.0.2.9", "2001:db8::9"))
		want("192.0.2.9", "2001:db8::9")
		time.Sleep(59 * time.Minute)
		h.Report(office, connected("192.0.2.9"))
		want()
		time.Sleep(59 * time.Minute)
		stays := connected("192.0.2.9", "2001:db8::9")
		stays.Mappings[0].Callers[0].Open = 1
		h.Report(office, stays)
		want("2001:db8::9")
		for range 200 { // a connection that stays is no silence, and old news is none
			time.Sleep(time.Minute)
			h.Report(office, stays)
		}
		want()
		h.Report(office, connected("192.0.2.9"))
		want()
		h.Report(office, connected("2001:db8::9"))
		want("2001:db8::9")

		h.must(h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.ExposeGateway, "a=81:8081")}}))
		h.Report(office, connected("192.0.2.9"))
		want("192.0.2.9")
		h.must(h.RemoveTunnel(h.ctx(), by, office))
		h.Report(office, connected("192.0.2.10"))
		want()
		h.add("operator/office", "a.example", byKey(), mapping(tunnel.ExposeGateway, "a=80:8080"))
		h.Report(office, connected("192.0.2.9"))
		want("192.0.2.9")
	})
}

// TestManyCallersAreCounted: thirty lines a minute, then how many more there were.
func TestManyCallersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, office := called(t), ref("operator/office")
		for i := range 10 {
			var all []string
			for j := range tunnel.MaxCallers {
				all = append(all, fmt.Sprintf("192.0.2.%d", i*tunnel.MaxCallers+j))
			}
			h.Report(office, connected(all...))
			h.Report(office, connected(all...))
		}
		if got := h.newCallers(); len(got) != 30 || strings.HasPrefix(got[29], "+") {
			t.Errorf("in the first minute: %q", got)
		}
		time.Sleep(time.Minute)
		h.Report(office, connected("192.0.2.159", "198.51.100.1"))
		if got := h.newCallers(); !slices.Equal(got, []string{"+130", "198.51.100.1"}) {
			t.Errorf("in the second minute: %q", got)
		}
		time.Sleep(time.Minute)
		h.Report(office, up("a"))
		if got := h.newCallers(); got != nil {
			t.Errorf("in the third minute: %q", got)
		}
	})
}

// TestModulesAreNoCallers: that a module uses its own tunnel is no news. What a server claims of others is shown escaped.
func TestModulesAreNoCallers(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	s := up("ldaps")
	s.Mappings[0].Callers = []tunnel.Caller{{Address: "adsync", Open: 1}, {Address: "\x1b[2J" + strings.Repeat("x", 100), Open: 1}}
	h.Report(ref("adsync/berlin.site"), s)
	var events []tunnel.Event
	for _, e := range h.told() {
		if e.Type == tunnel.CallerNew {
			events = append(events, e)
		}
	}
	if len(events) != 1 || strings.ContainsRune(events[0].Message, 0x1b) || len(events[0].Fields["address"]) > 70 {
		t.Errorf("events %+v", events)
	}
}

// TestCausesAreTold: what shares a reason is told apart in the journal, and to watchers.
func TestCausesAreTold(t *testing.T) {
	h := called(t)
	h.told()
	report := func(cause tunnel.Cause) {
		s := up("a")
		s.State = tunnel.Degraded
		s.Mappings[0].State, s.Mappings[0].Reason = tunnel.Down, tunnel.RemotePortHeld
		s.Mappings[0].Diagnosis = &tunnel.Diagnosis{Cause: cause, Evidence: []string{"seen"}}
		h.Report(ref("operator/office"), s)
	}
	report(tunnel.HeldByOwnSession)
	report(tunnel.HeldByOwnSession)
	report(tunnel.HeldByStranger)
	var causes []string
	for _, e := range h.told() {
		if e.Type == tunnel.MappingState {
			causes = append(causes, e.Fields["was"]+" "+e.Fields["state"]+" "+e.Fields["cause"])
		} else if _, has := e.Fields["cause"]; has {
			t.Errorf("a tunnel without a cause: %+v", e)
		}
	}
	if want := []string{"down down held-by-own-session", "down down held-by-stranger"}; !slices.Equal(causes, want) {
		t.Errorf("causes %q, want %q", causes, want)
	}
	if d := h.view("operator/office").Status.Mapping("a").Diagnosis; d.Code() != tunnel.HeldByStranger {
		t.Errorf("the view has %+v", d)
	}
}
