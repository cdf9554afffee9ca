package tunnel

import (
	"strings"
	"testing"
)

func TestParseMapping(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		text  string
		want  Mapping
		print string // "" is text itself
	}{
		{Reach, "1389:389", Mapping{"", Reach, "", Endpoint{"", 1389}, Endpoint{"", 389}, LaneMain}, ""},
		{Reach, "ldap=1389:dc1.corp.local:389", Mapping{"ldap", Reach, "", Endpoint{"", 1389}, Endpoint{"dc1.corp.local", 389}, LaneMain}, ""},
		{Reach, ":389", Mapping{"", Reach, "", Endpoint{}, Endpoint{"", 389}, LaneMain}, ""},
		{Reach, ":dc1:389", Mapping{"", Reach, "", Endpoint{}, Endpoint{"dc1", 389}, LaneMain}, ""},
		{Reach, "x=1:[2001:DB8::7]:65535", Mapping{"x", Reach, "", Endpoint{"", 1}, Endpoint{"2001:db8::7", 65535}, LaneMain}, "x=1:[2001:db8::7]:65535"},
		{ReachGateway, "1389:389", Mapping{"", ReachGateway, "", Endpoint{"", 1389}, Endpoint{"", 389}, LaneMain}, ""},
		{Expose, "9100:9100", Mapping{"", Expose, "", Endpoint{"", 9100}, Endpoint{"", 9100}, LaneMain}, ""},
		{Expose, "10.1.2.3:80:10080", Mapping{"", Expose, "", Endpoint{"10.1.2.3", 80}, Endpoint{"", 10080}, LaneMain}, ""}, // R7
		{Expose, "phone=[::1]:80:10080", Mapping{"phone", Expose, "", Endpoint{"::1", 80}, Endpoint{"", 10080}, LaneMain}, ""},
		{Expose, ":9464", Mapping{"", Expose, "", Endpoint{}, Endpoint{"", 9464}, LaneMain}, ""},
		{ExposeGateway, "m=:9464", Mapping{"m", ExposeGateway, "", Endpoint{}, Endpoint{"", 9464}, LaneMain}, ""},
	} {
		got, fs := ParseMapping(c.kind, c.text)
		if len(fs) > 0 || got != c.want {
			t.Errorf("%s %s: got %+v %v, want %+v", c.kind, c.text, got, fs, c.want)
		}
		if c.print == "" {
			c.print = c.text
		}
		if got.String() != c.print {
			t.Errorf("%s %s prints as %s, want %s", c.kind, c.text, got, c.print)
		}
	}
}

func TestParseMappingRefuses(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		text string
		want []string
	}{
		{"", "1:2", []string{"required kind"}},
		{"forward", "1:2", []string{"malformed kind forward"}},
		{Reach, "", []string{"malformed"}},
		{Reach, "389", []string{"malformed  389"}},
		{Reach, "127.0.0.1:1389:dc1:389", []string{"malformed  127.0.0.1:1389:dc1:389"}},
		{Reach, "127.0.0.1:1389:389", []string{"malformed remote.host 1389", "malformed local.port 127.0.0.1"}},
		{Reach, "1389:", []string{"required remote.port"}},
		{Reach, ":", []string{"required remote.port"}},
		{Reach, "::389", []string{"required remote.host"}},
		{Reach, "0:0", []string{"out-of-range local.port 0", "out-of-range remote.port 0"}},
		{Reach, "65536:70000", []string{"out-of-range local.port 65536", "out-of-range remote.port 70000"}},
		{Reach, "01:+2", []string{"malformed local.port 01", "malformed remote.port +2"}},
		{Reach, "1 :2", []string{"malformed local.port 1"}},
		{Reach, "1389:a b:389", []string{"malformed remote.host a b"}},
		{Reach, "1389:-x:389", []string{"malformed remote.host -x"}},
		{Reach, "1389:[fe80::1%eth0]:389", []string{"malformed remote.host [fe80::1%eth0]"}},
		{Reach, "1389:fe80::1:389", []string{"malformed  1389:fe80::1:389"}},
		{Reach, "1389:0.0.0.0:389", []string{"malformed remote.host 0.0.0.0"}},
		{Reach, "=1:2", []string{"required name"}},
		{Reach, "A=1:2", []string{"malformed name A"}},
		{Reach, "a.b=1:2", []string{"malformed name a.b"}},
		{Reach, "1a=1:2", []string{"malformed name 1a"}},
		{Reach, "a=b=1:2", []string{"malformed local.port b=1"}},
		{Reach, strings.Repeat("n", 41) + "=1:2", []string{"too-long name " + strings.Repeat("n", 41)}},
		{Reach, "A=x:y", []string{"malformed name A", "malformed local.port x", "malformed remote.port y"}},
		{ReachGateway, ":389", []string{"required local.port"}},
		{ReachGateway, ":dc1:389", []string{"required local.port"}},
		{Expose, "10.1.2.3::10080", []string{"required local.port"}},
		{Expose, ":80:10080", []string{"required local.host"}},
		{Expose, "80:10080:22", []string{"malformed local.host 80"}},
		{Expose, "a\x07:80:10080", []string{`malformed local.host a\a`}},
		{Expose, "9100:９１００", []string{"malformed remote.port ９１００"}},
		{ExposeGateway, "9100:", []string{"required remote.port"}},
		{Expose, strings.Repeat(":", 5000), []string{"too-long  " + strings.Repeat(":", shown) + "…"}},
	} {
		m, fs := ParseMapping(c.kind, c.text)
		t.Run(string(c.kind)+" "+Clean(c.text, 40), func(t *testing.T) { expect(t, fs, c.want...) })
		if m != (Mapping{}) {
			t.Errorf("%q: a Mapping came back with findings: %+v", c.text, m)
		}
	}
}

func TestNameMappings(t *testing.T) {
	ms := []Mapping{
		mustMapping(t, Reach, "1389:389"), mustMapping(t, Reach, "reach-389-2=1:1"), mustMapping(t, Reach, "2389:dc2:389"),
		mustMapping(t, ExposeGateway, "1:389"), mustMapping(t, Reach, "3389:dc3:389"),
	}
	NameMappings(ms)
	want := []string{"reach-389", "reach-389-2", "reach-389-3", "expose-gateway-389", "reach-389-4"}
	for i, m := range ms {
		if m.Name != want[i] {
			t.Errorf("mapping %d is called %s, want %s", i, m.Name, want[i])
		}
	}
	full := make([]Mapping, MaxMappings)
	for i := range full {
		full[i] = mustMapping(t, ExposeGateway, "1:65535")
	}
	NameMappings(full)
	for _, m := range full {
		if fs := CheckName(m.Name, MaxName); len(fs) > 0 {
			t.Errorf("%s: %v", m.Name, fs)
		}
	}
}
