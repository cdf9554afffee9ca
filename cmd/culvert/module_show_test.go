package main

import (
	"testing"

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
