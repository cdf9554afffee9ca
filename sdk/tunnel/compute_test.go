package tunnel

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var directory = Description{Name: "adsync", Version: "1", Slots: []Slot{
	{Name: "ldap", Title: "Directory", Kinds: []Kind{Reach, ReachGateway}, Spec: ":636", On: true},
	{Name: "smb", Title: "Share", Kinds: []Kind{Reach}, Spec: ":fs1:445"},
	{Name: "metrics", Title: "Metrics", Kinds: []Kind{Expose, ExposeGateway}, Spec: "9100:9100"},
}}

func on(b bool) *bool { return &b }

func TestCompute(t *testing.T) {
	for _, c := range []struct {
		name     string
		site     Site
		slots    []string
		mappings []string
	}{
		{"the defaults", Site{}, nil, []string{"reach ldap=:636"}},
		{"switched on and off", Site{Slots: map[string]SlotSettings{"ldap": {On: on(false)}, "smb": {On: on(true)}}}, nil, []string{"reach smb=:fs1:445"}},
		{"a local port", Site{Slots: map[string]SlotSettings{"ldap": {Spec: "1389:dc1:389"}}}, nil, []string{"reach ldap=1389:dc1:389"}},
		{"another kind", Site{Slots: map[string]SlotSettings{"ldap": {Kind: ReachGateway, Spec: "ldap=1389:636"}}}, nil, []string{"reach-gateway ldap=1389:636"}},
		{"another kind of the default", Site{Slots: map[string]SlotSettings{"metrics": {On: on(true), Kind: ExposeGateway}}}, nil,
			[]string{"reach ldap=:636", "expose-gateway metrics=9100:9100"}},
		{"declared slots only", Site{Slots: map[string]SlotSettings{"smb": {On: on(true)}, "metrics": {On: on(true)}}}, []string{"metrics", "smb"},
			[]string{"reach smb=:fs1:445", "expose metrics=9100:9100"}},
		{"a declared slot that is off", Site{}, []string{"smb"}, nil},
		{"offered slots only", Site{Offered: []string{"smb", "metrics"}, Slots: map[string]SlotSettings{"smb": {On: on(true)}}}, nil,
			[]string{"reach smb=:fs1:445"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.site.Server = "pbx@site.example.org"
			v, fs := Compute(Declaration{Settings: "site", Slots: c.slots}, "berlin", directory, c.site)
			expect(t, fs)
			var got []string
			for _, m := range v.Mappings {
				got = append(got, string(m.Kind)+" "+m.String())
				if m.Slot != m.Name {
					t.Errorf("mapping %s fills slot %s", m.Name, m.Slot)
				}
			}
			if !slices.Equal(got, c.mappings) {
				t.Errorf("got %q, want %q", got, c.mappings)
			}
			expect(t, Check(v))
			expect(t, CheckPolicy(v, Policy{}, directory.Slots))
		})
	}
}

func TestComputeTakesTheSite(t *testing.T) {
	v, fs := Compute(Declaration{Ref: Ref{"tapi", "other"}, Settings: "sites.rome"}, "berlin", directory, Site{
		Server: "[2001:DB8::1]:2222", Login: LoginPassword, Fingerprint: "195b3f4f1cebeb59eea4289a2559fedb",
	})
	expect(t, fs)
	want := Tunnel{
		Ref: Ref{"adsync", "berlin.rome"}, Node: Node, Configuration: "berlin", Settings: "sites.rome",
		Server: Server{"2001:db8::1", 2222, "root"}, Login: LoginPassword, Fingerprint: "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db",
		Mappings: []Mapping{{"ldap", Reach, "ldap", Endpoint{}, Endpoint{"", 636}, LaneMain}},
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got  %+v\nwant %+v", v, want)
	}
}

func TestComputeRefuses(t *testing.T) {
	slot := func(name string, s SlotSettings) Site {
		return Site{Server: "h", Slots: map[string]SlotSettings{name: s}}
	}
	for _, c := range []struct {
		name  string
		site  Site
		slots []string
		want  []string
	}{
		{"server", Site{Server: "a b"}, nil, []string{"malformed site.server a b"}},
		{"login", Site{Server: "h", Login: "magic"}, nil, []string{"malformed site.login magic"}},
		{"fingerprint", Site{Server: "h", Fingerprint: "x"}, nil, []string{"malformed site.fingerprint x"}},
		{"unknown slot", slot("ftp", SlotSettings{}), nil, []string{"unknown-key site.slots.ftp ftp"}},
		{"unknown kind", slot("ldap", SlotSettings{Kind: "x"}), nil, []string{"malformed site.slots.ldap.kind x"}},
		{"a kind the slot has not", slot("smb", SlotSettings{Kind: ReachGateway}), nil, []string{"policy-refused site.slots.smb.kind reach-gateway"}},
		{"gateway without port", slot("ldap", SlotSettings{Kind: ReachGateway}), nil, []string{"required site.slots.ldap.spec"}},
		{"spec", slot("ldap", SlotSettings{Spec: "0:x"}), nil, []string{"out-of-range site.slots.ldap.spec 0", "malformed site.slots.ldap.spec x"}},
		{"spec of another name", slot("ldap", SlotSettings{Spec: "smb=:1"}), nil, []string{"malformed site.slots.ldap.spec smb=:1"}},
		{"a slot that is off", slot("smb", SlotSettings{On: on(false), Spec: "x"}), nil, []string{"malformed site.slots.smb.spec x"}},
		{"a declared slot that is none", Site{Server: "h"}, []string{"ldap", "ftp", "a\x1b"}, []string{"policy-refused slots ftp", `policy-refused slots a\x1b`}},
		{"a declared slot that the site does not offer", Site{Server: "h", Offered: []string{"smb"}}, []string{"smb", "ldap"}, []string{"policy-refused slots ldap"}},
		{"no server either", slot("ftp", SlotSettings{}), []string{"x"}, []string{"policy-refused slots x", "unknown-key site.slots.ftp ftp"}},
		{"settings of too many slots", Site{Server: "h", Slots: manySlots(MaxMappings + 1)}, nil, []string{"too-many site.slots 65"}},
		{"too many", Site{Server: "h"}, make([]string, MaxMappings+1), []string{"too-many slots 65"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, fs := Compute(Declaration{Settings: "site", Slots: c.slots}, "berlin", directory, c.site)
			expect(t, fs, c.want...)
			if !reflect.DeepEqual(v, Tunnel{}) {
				t.Errorf("a tunnel came back: %+v", v)
			}
		})
	}
}

func manySlots(n int) map[string]SlotSettings {
	m := map[string]SlotSettings{}
	for i := range n {
		m[fmt.Sprint("s", i)] = SlotSettings{}
	}
	return m
}

func TestComputeWithoutServer(t *testing.T) {
	v, fs := Compute(Declaration{Settings: "site"}, "berlin", directory, Site{Slots: map[string]SlotSettings{"smb": {On: on(true)}}})
	if len(fs) > 0 || !reflect.DeepEqual(v, Tunnel{}) {
		t.Errorf("got %+v %v", v, fs)
	}
}

func TestInSettings(t *testing.T) {
	declared := Tunnel{Configuration: "berlin", Settings: "sites.rome"}
	fs := Findings{
		find(PortCollision, "mappings[ldap].local.port", "1", "m", "w"), find(PolicyRefused, "mappings[ldap].kind", "1", "m", "w"),
		find(Malformed, "server.host", "1", "m", "w"), find(TooMany, "mappings", "65", "m", "w"),
	}
	expect(t, declared.InSettings(fs), "port-collision sites.rome.slots.ldap.spec 1", "policy-refused sites.rome.slots.ldap.kind 1",
		"malformed server.host 1", "too-many mappings 65")
	expect(t, Tunnel{}.InSettings(fs[:1]), "port-collision mappings[ldap].local.port 1")
	if fs[0].Field != "mappings[ldap].local.port" {
		t.Error("the findings given were changed")
	}
}

func TestCheckDeclared(t *testing.T) {
	honest := Declaration{Ref: Ref{"adsync", "berlin.site"}, Settings: "site"}
	for _, c := range []struct {
		name string
		set  []Declaration
		want []string
	}{
		{"none", nil, nil},
		{"honest ones", []Declaration{honest, {Ref: Ref{"adsync", "berlin.rome"}, Settings: "sites.rome"}}, nil},
		{"another's", []Declaration{honest, {Ref: Ref{"tapi", "berlin.site"}, Settings: "site"}}, []string{"not-owner tunnel tapi/berlin.site", "exists tunnel tapi/berlin.site"}},
		{"the operator's", []Declaration{{Ref: Ref{Operator, "office"}, Settings: "site"}}, []string{"not-owner tunnel operator/office"}},
		{"nobody's", []Declaration{{Settings: "site"}}, []string{"not-owner tunnel /"}},
		{"another configuration's", []Declaration{{Ref: Ref{"adsync", "rome.site"}, Settings: "site"}}, []string{"malformed tunnel adsync/rome.site"}},
		{"twice", []Declaration{honest, honest}, []string{"exists tunnel adsync/berlin.site"}},
		{"a path that is none", []Declaration{{Ref: Ref{"adsync", "berlin."}, Settings: "a..b"}}, []string{"malformed settings a..b"}},
		{"a path too deep", []Declaration{{Ref: Ref{"adsync", "berlin.d"}, Settings: "a.b.c.d"}}, []string{"malformed settings a.b.c.d"}},
		{"a key that is no name", []Declaration{{Ref: Ref{"adsync", "berlin.Site"}, Settings: "Site"}}, []string{"malformed settings Site"}},
		{"too many", make([]Declaration, MaxDeclared+1), []string{"too-many declarations 65"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, CheckDeclared("adsync", "berlin", c.set), c.want...) })
	}
}

func TestCheckPolicy(t *testing.T) {
	slots := directory.Slots
	for _, c := range []struct {
		name   string
		tunnel Tunnel
		policy Policy
		want   []string
	}{
		{"nothing but slots", sound(t, "adsync/a", "reach x=1:2"), Policy{}, []string{"policy-refused mappings[x].kind reach"}},
		{"an allowed kind", sound(t, "adsync/a", "reach x=1:2", "expose y=1:3"), Policy{Kinds: []Kind{Reach}}, []string{"policy-refused mappings[y].kind expose"}},
		{"anything", sound(t, "adsync/a", "reach x=1:2", "expose-gateway y=1:3"), Anything, nil},
		{"the operator", sound(t, "operator/a", "reach x=1:2"), Policy{}, nil},
		{"a slot", slotted(t, "ldap", "reach-gateway ldap=1:2"), Policy{}, nil},
		{"a slot of another kind", slotted(t, "smb", "reach-gateway smb=1:2"), Policy{Kinds: []Kind{ReachGateway}}, []string{"policy-refused mappings[smb].kind reach-gateway"}},
		{"a slot that is none", slotted(t, "ftp", "reach ftp=1:2"), Policy{Kinds: []Kind{Reach}}, []string{"policy-refused mappings[ftp].slot ftp"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, CheckPolicy(c.tunnel, c.policy, slots), c.want...) })
	}
}

func TestPolicyWaysOut(t *testing.T) {
	for want, p := range map[string]Policy{
		"add the tunnel under operator, which may have any mapping": {},
		"use expose or expose-gateway, or add the tunnel":           {Kinds: []Kind{Expose, ExposeGateway}},
	} {
		fs := CheckPolicy(sound(t, "adsync/a", "reach x=1:2"), p, nil)
		if len(fs) != 1 || !strings.Contains(fs[0].WayOut, want) {
			t.Errorf("got %v, want %q", fs, want)
		}
	}
}

func TestSlotsWaysOut(t *testing.T) {
	for want, slots := range map[string][]Slot{"this module has no slots": nil, "use ldap, smb or metrics": directory.Slots} {
		for _, fs := range []Findings{
			CheckPolicy(slotted(t, "ftp", "reach x=1:2"), Policy{}, slots),
			Description{Name: "adsync", Slots: slots}.offers([]string{"ftp"}),
		} {
			if len(fs) != 1 || fs[0].WayOut != want {
				t.Errorf("got %v, want %q", fs, want)
			}
		}
	}
}

func slotted(t *testing.T, slot, mapping string) Tunnel {
	v := sound(t, "adsync/a", mapping)
	v.Mappings[0].Slot = slot
	return v
}

func TestCheckDescription(t *testing.T) {
	full := Description{Name: "full", Version: strings.Repeat("1", 64), Grants: manyGrants(32), Policy: Policy{Kinds: Kinds}}
	for i := range MaxMappings {
		full.Slots = append(full.Slots, Slot{Name: fmt.Sprint("s", i), Title: strings.Repeat("ü", 100), Kinds: Kinds, Spec: ":1"})
	}
	for _, d := range []Description{directory, full, {Name: "hello", Policy: Anything}} {
		if fs := CheckDescription(d); len(fs) > 0 {
			t.Error(d.Name, fs)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*Description)
		want  []string
	}{
		{"name", func(d *Description) { d.Name = "AD Sync" }, []string{"malformed name AD Sync"}},
		{"the operator's name", func(d *Description) { d.Name = "operator" }, []string{"policy-refused name operator"}},
		{"version", func(d *Description) { d.Version = "1\x1b" }, []string{`malformed version 1\x1b`}},
		{"long version", func(d *Description) { d.Version = strings.Repeat("1", 65) }, []string{"too-long version " + strings.Repeat("1", 65)}},
		{"slot name", func(d *Description) { d.Slots[0].Name = "a.b" }, []string{"malformed slots[a.b].name a.b"}},
		{"two slots of a name", func(d *Description) { d.Slots[1].Name = "ldap" }, []string{"exists slots[ldap].name ldap"}},
		{"title", func(d *Description) { d.Slots[0].Title = "a\nb" }, []string{`malformed slots[ldap].title a\nb`}},
		{"no kinds", func(d *Description) { d.Slots[0].Kinds = nil }, []string{"required slots[ldap].kinds"}},
		{"kind", func(d *Description) { d.Slots[0].Kinds = []Kind{Reach, "x"} }, []string{"malformed slots[ldap].kinds[1] x"}},
		{"spec", func(d *Description) { d.Slots[0].Spec = "x" }, []string{"malformed slots[ldap].spec x"}},
		{"spec with a name", func(d *Description) { d.Slots[0].Spec = "a=:1" }, []string{"malformed slots[ldap].spec a=:1"}},
		{"policy", func(d *Description) { d.Policy.Kinds = []Kind{"x"} }, []string{"malformed policy.kinds[0] x"}},
		{"grant", func(d *Description) { d.Grants = []Grant{"dial\n1"} }, []string{`malformed grants[0] dial\n1`}},
		{"many grants", func(d *Description) { d.Grants = manyGrants(33) }, []string{"too-many grants 33"}},
		{"many slots", func(d *Description) {
			for i := range MaxMappings {
				d.Slots = append(d.Slots, Slot{Name: fmt.Sprint("s", i), Kinds: Kinds, Spec: ":1"})
			}
		}, []string{"too-many slots 67"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := directory
			d.Slots = slices.Clone(d.Slots)
			c.spoil(&d)
			expect(t, CheckDescription(d), c.want...)
		})
	}
}
