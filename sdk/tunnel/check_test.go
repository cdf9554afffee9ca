package tunnel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCheckSoundTunnels(t *testing.T) {
	office := sound(t, "operator/office", "reach 1389:dc1:389", "reach-gateway 2389:[::1]:389", "expose 9100:9100", "expose-gateway 192.0.2.7:80:10080")
	office.Comment, office.Fingerprint, office.Node = "Büro 2 🙂", "195b3f4f1cebeb59eea4289a2559fedb", Node
	declared := sound(t, "adsync/berlin.site", "reach :636", "expose :9100", "expose-gateway :9101")
	declared.Configuration, declared.Settings = "berlin", "site"
	entry := sound(t, "adsync/berlin.rome")
	entry.Configuration, entry.Settings = "berlin", "branches.rome.site"
	full := sound(t, "operator/full")
	for i := range MaxMappings {
		full.Mappings = append(full.Mappings, mustMapping(t, Reach, fmt.Sprintf("m%d=%d:80", i, 2000+i)))
	}
	for _, v := range []Tunnel{office, declared, entry, full, sound(t, "adsync/private", "reach :dc1:389"), sound(t, "operator/none")} {
		if fs := Check(v); len(fs) > 0 {
			t.Errorf("%s: %v", v.Ref, fs)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Tunnel)
		want  []string
	}{
		{"owner", func(v *Tunnel) { v.Ref.Owner = "Adsync" }, []string{"malformed owner Adsync"}},
		{"no owner", func(v *Tunnel) { v.Ref.Owner = "" }, []string{"required owner"}},
		{"name", func(v *Tunnel) { v.Ref.Name = "a b" }, []string{"malformed name a b"}},
		{"a declared name", func(v *Tunnel) { v.Ref.Name = "berlin.site" }, []string{"malformed name berlin.site"}},
		{"another's name", func(v *Tunnel) { v.Ref.Name, v.Configuration, v.Settings = "rome.site", "berlin", "site" }, []string{"malformed name operator/rome.site"}},
		{"an operator's name for a declared one", func(v *Tunnel) { v.Configuration, v.Settings = "berlin", "site" }, []string{"malformed name operator/office"}},
		{"node", func(v *Tunnel) { v.Node = "b" }, []string{"malformed node b"}},
		{"no host", func(v *Tunnel) { v.Server.Host = "" }, []string{"required server.host"}}, // R11
		{"host", func(v *Tunnel) { v.Server.Host = "-x" }, []string{"malformed server.host -x"}},
		{"host with zone", func(v *Tunnel) { v.Server.Host = "fe80::1%eth0" }, []string{"malformed server.host fe80::1%eth0"}},
		{"no port", func(v *Tunnel) { v.Server.Port = 0 }, []string{"out-of-range server.port 0"}},
		{"negative port", func(v *Tunnel) { v.Server.Port = -22 }, []string{"out-of-range server.port -22"}},
		{"no user", func(v *Tunnel) { v.Server.User = "" }, []string{"required server.user"}},
		{"user", func(v *Tunnel) { v.Server.User = "a\nb" }, []string{`malformed server.user a\nb`}},
		{"no login", func(v *Tunnel) { v.Login = "" }, []string{"required login"}},
		{"login", func(v *Tunnel) { v.Login = "magic" }, []string{"malformed login magic"}},
		{"own key and password", func(v *Tunnel) { v.Login, v.OwnKey = LoginPassword, true }, []string{"malformed login password"}},
		{"fingerprint", func(v *Tunnel) { v.Fingerprint = "zz" }, []string{"malformed fingerprint zz"}},
		{"long comment", func(v *Tunnel) { v.Comment = strings.Repeat("ü", MaxComment+1) }, []string{"too-long comment " + strings.Repeat("ü", shown/2) + "…"}},
		{"comment of two lines", func(v *Tunnel) { v.Comment = "a\nb" }, []string{`malformed comment a\nb`}},
		{"comment that turns around", func(v *Tunnel) { v.Comment = "a\u202eb" }, []string{`malformed comment a\u202eb`}},
		{"comment with line separator", func(v *Tunnel) { v.Comment = "a\u2028b" }, []string{`malformed comment a\u2028b`}},
		{"comment of no text", func(v *Tunnel) { v.Comment = "a\xff" }, []string{`malformed comment a\xff`}},
		{"nameless mapping", func(v *Tunnel) { v.Mappings[1].Name = "" }, []string{"required mappings[1].name"}},
		{"hostile mapping name", func(v *Tunnel) { v.Mappings[0].Name = "a\x1b" }, []string{`malformed mappings[a\x1b].name a\x1b`}},
		{"same names", func(v *Tunnel) { v.Mappings[1].Name = "in" }, []string{"exists mappings[in].name in"}},
		{"no kind", func(v *Tunnel) { v.Mappings[0].Kind = "" }, []string{"required mappings[in].kind"}},
		{"kind", func(v *Tunnel) { v.Mappings[0].Kind = "forward" }, []string{"malformed mappings[in].kind forward"}},
		{"private", func(v *Tunnel) { v.Mappings[0].Local.Port = 0 }, []string{"required mappings[in].local.port"}},
		{"private expose", func(v *Tunnel) { v.Mappings[1].Local.Port = 0 }, []string{"required mappings[out].local.port"}},
		{"local port", func(v *Tunnel) { v.Mappings[0].Local.Port = 65536 }, []string{"out-of-range mappings[in].local.port 65536"}},
		{"negative local port", func(v *Tunnel) { v.Mappings[0].Local.Port = -1 }, []string{"out-of-range mappings[in].local.port -1"}},
		{"no remote port", func(v *Tunnel) { v.Mappings[1].Remote.Port = 0 }, []string{"out-of-range mappings[out].remote.port 0"}},
		{"target", func(v *Tunnel) { v.Mappings[0].Remote.Host = "a b" }, []string{"malformed mappings[in].remote.host a b"}},
		{"reach with local host", func(v *Tunnel) { v.Mappings[0].Local.Host = "h" }, []string{"malformed mappings[in].local.host h"}},
		{"expose with remote host", func(v *Tunnel) { v.Mappings[1].Remote.Host = "h" }, []string{"malformed mappings[out].remote.host h"}},
		{"expose local host", func(v *Tunnel) { v.Mappings[1].Local.Host = "-h" }, []string{"malformed mappings[out].local.host -h"}},
		{"expose host without port", func(v *Tunnel) { v.Mappings[1].Local = Endpoint{"h", 0} }, []string{"required mappings[out].local.port"}},
		{"too many mappings", func(v *Tunnel) {
			for i := range MaxMappings - 1 {
				v.Mappings = append(v.Mappings, mustMapping(t, Reach, fmt.Sprintf("m%d=%d:80", i, 2000+i)))
			}
		}, []string{"too-many mappings 65"}},
		{"too many wrong mappings", func(v *Tunnel) { v.Mappings = make([]Mapping, 100000) },
			slices.Concat([]string{"too-many mappings 100000"}, nameless(MaxMappings))},
		{"everything at once", func(v *Tunnel) {
			*v = Tunnel{Ref: Ref{"operator", "a"}, Comment: "\x00", Mappings: []Mapping{{Name: "x", Kind: ReachGateway}}}
		}, []string{"required server.host", "out-of-range server.port 0", "required server.user", "required login", `malformed comment \x00`,
			"required mappings[x].local.port", "out-of-range mappings[x].remote.port 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := sound(t, "operator/office", "reach in=1389:389", "expose out=9100:9100")
			c.spoil(&v)
			expect(t, Check(v), c.want...)
		})
	}
}

// nameless is what is said of n zero mappings.
func nameless(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("required mappings[%d].name", i), fmt.Sprintf("required mappings[%d].kind", i))
	}
	return out
}

func TestPrivateMappingsAreForModules(t *testing.T) {
	for _, c := range []struct {
		owner string
		kind  Kind
		fine  bool
	}{
		{"adsync", Reach, true}, {"adsync", Expose, true}, {"adsync", ExposeGateway, true}, {"adsync", ReachGateway, false},
		{"operator", Reach, false}, {"operator", Expose, false}, {"operator", ExposeGateway, false}, {"operator", ReachGateway, false},
	} {
		v := sound(t, c.owner+"/a")
		v.Mappings = []Mapping{{Name: "x", Kind: c.kind, Remote: Endpoint{"", 389}}}
		var want []string
		if !c.fine {
			want = []string{"required mappings[x].local.port"}
		}
		t.Run(c.owner+" "+string(c.kind), func(t *testing.T) { expect(t, Check(v), want...) })
	}
}

func TestWarnings(t *testing.T) {
	v := sound(t, "operator/office", "reach a=389:192.0.2.7:389", "reach b=1389:dc1:389", "reach c=1390:localhost:389",
		"reach-gateway d=8080:[::1]:80", "expose e=22:10022", "expose-gateway f=22:80", "expose g=80:1023")
	got := Warnings(v)
	for _, want := range []string{
		"mapping a: local port 389 is below 1024", // R42
		"mapping b: the target dc1 is a name",
		"mapping d: third parties get access: every host that can connect to the PBX can use its port 8080",      // R35
		"mapping f: third parties get access: every host that can connect to the SSH server can use its port 80", // R35
		"mapping f: remote port 80 is below 1024",
		"mapping g: remote port 1023 is below 1024",
		"whether the SSH server can open the remote ports shows only once the tunnel is up", // R47
	} {
		if n := count(got, want); n != 1 {
			t.Errorf("%q is said %d times", want, n)
		}
	}
	if len(got) != 7 {
		t.Errorf("got %d warnings:\n%s", len(got), strings.Join(got, "\n"))
	}
	quiet := sound(t, "adsync/office", "reach :389", "reach 1024:192.0.2.7:389")
	if ws := Warnings(quiet); len(ws) != 0 {
		t.Errorf("got %q", ws)
	}
	edge := sound(t, "adsync/office", "expose 22:1024")
	if ws := Warnings(edge); len(ws) != 1 || count(ws, "whether the SSH server") != 1 {
		t.Errorf("got %q", ws)
	}
	quiet.Server.User = "root"
	if ws := Warnings(quiet); count(ws, "logs in as root at site.example.org") != 1 {
		t.Errorf("got %q", ws)
	}
}

func count(texts []string, part string) int {
	return len(slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !strings.Contains(s, part) }))
}
