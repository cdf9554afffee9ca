package tunnel

import "testing"

// A description's ports come from a plugin: each is a port, they are bounded, and a slot's own spec is among them.
func TestPortsOfDescriptions(t *testing.T) {
	for _, c := range []struct {
		name   string
		slot   []PortRange
		policy []PortRange
		want   []string
	}{
		{"some", []PortRange{{1, 635}, {636, 636}}, []PortRange{{1, 65535}}, nil},
		{"none that can be read", []PortRange{{}, {636, 636}}, []PortRange{{}}, []string{"out-of-range slots[ldap].ports[0] 0", "out-of-range policy.ports[0] 0"}},
		{"backwards", []PortRange{{636, 636}, {9, 8}}, nil, []string{"out-of-range slots[ldap].ports[1] 9-8"}},
		{"without the default", []PortRange{{389, 389}}, nil, []string{"policy-refused slots[ldap].spec 636"}},
		{"too many", append(make([]PortRange, maxRanges), PortRange{636, 636}), make([]PortRange, maxRanges+1), []string{"too-many slots[ldap].ports 65", "too-many policy.ports 65"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Description{Name: "adsync", Policy: Policy{Ports: c.policy}, Slots: []Slot{{Name: "ldap", Kinds: []Kind{Reach}, Spec: ":636", Ports: c.slot}}}
			expect(t, CheckDescription(d), c.want...)
		})
	}
}
