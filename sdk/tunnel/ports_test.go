package tunnel

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPortRange(t *testing.T) {
	for _, c := range []struct {
		text string
		want PortRange
		code string // of the finding, where there is one
	}{
		{"636", PortRange{636, 636}, ""},
		{"5060-5080", PortRange{5060, 5080}, ""},
		{"1-65535", PortRange{1, 65535}, ""},
		{"", PortRange{}, "required"},
		{"-", PortRange{}, "required"},
		{"5060-", PortRange{}, "required"},
		{"ldap", PortRange{}, "malformed"},
		{"1-2-3", PortRange{}, "malformed"},
		{"080", PortRange{}, "malformed"},
		{" 80", PortRange{}, "malformed"},
		{"0", PortRange{}, "out-of-range"},
		{"80-65536", PortRange{}, "out-of-range"},
		{"5080-5060", PortRange{}, "out-of-range"},
	} {
		r, fs := ParsePortRange(c.text)
		if code := firstCode(fs); r != c.want || code != c.code {
			t.Errorf("%q is %v with %q, want %v with %q", c.text, r, code, c.want, c.code)
		}
		if c.code == "" && r.String() != c.text {
			t.Errorf("%q is written back as %q", c.text, r)
		}
	}
}

func firstCode(fs Findings) string {
	if len(fs) == 0 {
		return ""
	}
	return string(fs[0].Code)
}

func TestPortsInJSON(t *testing.T) {
	in := Slot{Name: "s", Kinds: []Kind{Reach}, Spec: ":636", Ports: []PortRange{{636, 636}, {5060, 5080}}}
	text, err := json.Marshal(in)
	if err != nil || !strings.Contains(string(text), `"ports":["636","5060-5080"]`) {
		t.Fatalf("written as %s (%v)", text, err)
	}
	var out Slot
	if err := json.Unmarshal(text, &out); err != nil || len(out.Ports) != 2 || out.Ports[1] != in.Ports[1] {
		t.Errorf("read back as %v (%v)", out.Ports, err)
	}
	if err := json.Unmarshal([]byte(`{"ports":["x"]}`), &out); err == nil {
		t.Error("a record with a port that is none was read")
	}
}

// A slot's ports bind what its module declares by itself, too, and what the operator makes of it.
func TestPortsOfSlots(t *testing.T) {
	ports := []PortRange{{636, 636}, {3268, 3269}}
	slots := []Slot{
		{Name: "ldap", Kinds: []Kind{Reach, ReachGateway}, Spec: ":636", Ports: ports},
		{Name: "page", Kinds: []Kind{Expose}, Spec: ":8080", Ports: []PortRange{{80, 80}}},
	}
	for _, c := range []struct {
		slot, mapping string
		want          []string
	}{
		{"ldap", "reach ldap=:dc1:636", nil},
		{"ldap", "reach ldap=389:dc1:3269", nil},
		{"ldap", "reach-gateway ldap=389:389", []string{"policy-refused mappings[ldap].remote.port 389"}},
		{"page", "expose page=80:9000", nil},
		{"page", "expose page=:9000", nil}, // the module itself
		{"page", "expose page=22:9000", []string{"policy-refused mappings[page].local.port 22"}},
	} {
		fs := CheckPolicy(slotted(t, c.slot, c.mapping), Policy{}, slots)
		expect(t, fs, c.want...)
		for _, f := range fs {
			if !strings.Contains(f.Message, "slot "+c.slot) || !strings.HasPrefix(f.WayOut, "use ") {
				t.Errorf("%s: %q, %q", c.mapping, f.Message, f.WayOut)
			}
		}
	}
}

func TestPortsOfPolicy(t *testing.T) {
	p := Policy{Kinds: []Kind{Reach, Expose}, Ports: []PortRange{{80, 80}, {8000, 8099}}}
	for _, c := range []struct {
		mapping string
		want    []string
	}{
		{"reach x=1:80", nil},
		{"reach x=1:host:8099", nil},
		{"expose x=8001:22", nil},
		{"reach x=80:22", []string{"policy-refused mappings[x].remote.port 22"}},
		{"expose x=22:80", []string{"policy-refused mappings[x].local.port 22"}},
		{"reach-gateway x=1:22", []string{"policy-refused mappings[x].kind reach-gateway"}},
	} {
		t.Run(c.mapping, func(t *testing.T) { expect(t, CheckPolicy(sound(t, "adsync/a", c.mapping), p, nil), c.want...) })
	}
	f := CheckPolicy(sound(t, "adsync/a", "reach x=80:22"), p, nil)[0]
	if f.Message != "module adsync allows no reach mappings of port 22 beside its slots" || f.WayOut != "use 80 or 8000-8099, or add the tunnel under operator" {
		t.Errorf("said: %q, %q", f.Message, f.WayOut)
	}
	if fs := CheckPolicy(sound(t, "operator/a", "reach x=80:22"), p, nil); len(fs) > 0 {
		t.Errorf("the operator's own tunnel: %v", fs)
	}
}
