package main

import (
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What an operator accepts shows every kind and port that a binary may use: one more is a change to be seen.
func TestFaceShowsKindsAndPorts(t *testing.T) {
	ports := []tunnel.PortRange{{First: 636, Last: 636}, {First: 3268, Last: 3269}}
	for _, c := range []struct {
		slot tunnel.Slot
		want string
	}{
		{tunnel.Slot{Name: "ldap", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":636", On: true}, "ldap reach :636"},
		{tunnel.Slot{Name: "ldap", Kinds: []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway}, Spec: ":636", Ports: ports}, "ldap reach or reach-gateway :636 of ports 636 3268-3269 (off)"},
	} {
		if got := slotText(c.slot); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	for _, c := range []struct {
		policy tunnel.Policy
		want   string
	}{
		{tunnel.Anything, "any mapping"},
		{tunnel.Policy{Ports: ports}, "its slots only"},
		{tunnel.Policy{Kinds: []tunnel.Kind{tunnel.Reach, tunnel.Expose}}, "its slots, and reach, expose"},
		{tunnel.Policy{Kinds: []tunnel.Kind{tunnel.Reach}, Ports: ports}, "its slots, and reach of ports 636 3268-3269"},
	} {
		if got := policyText(c.policy); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// What is said of a binary that waits is what happened to it: whether it was started, and what came of that.
func TestBinaryThatWaitsTellsWhetherItWasStarted(t *testing.T) {
	const not = "It has not been started yet"
	b := newTestbed(t)
	for _, c := range []struct {
		pending    control.Candidate
		want, lack string
	}{
		{control.Candidate{}, not, "it did not"},
		{control.Candidate{Problem: "it ended while it was started: panic: on purpose"}, "it did not: it ended while it was started: panic: on purpose.\n", not},
		{control.Candidate{Described: true}, "slots", not},
	} {
		b.SetModules(control.ModuleStatus{Name: "hello", State: "accept", Pending: &c.pending})
		if out := b.run("", "module", "show", "hello").out; !strings.Contains(out, c.want) || strings.Contains(out, c.lack) {
			t.Errorf("%+v: %s", c.pending, out)
		}
	}
}
