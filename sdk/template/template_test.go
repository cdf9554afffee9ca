package template

import (
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Every template is complete, and what it inserts obeys the rules of the operator's own tunnels.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		if fs := tunnel.CheckName(c.ID, tunnel.MaxName); len(fs) > 0 || seen[c.ID] {
			t.Errorf("%s is no ID of its own: %v", c.ID, fs)
		}
		seen[c.ID] = true
		if c.Title == "" || c.Group.Title() == "" || c.Notes == nil || !slices.Contains([]Probe{TCP, TLS, Banner}, c.Probe) {
			t.Errorf("%s is not complete: %+v", c.ID, c)
		}
		if !slices.Contains([]Group{PBX, Site}, c.Group) || len(c.Kinds) == 0 || c.Kinds[0].Gateway() || len(c.Kinds) > 1 && !c.Kinds[1].Gateway() {
			t.Errorf("%s offers %v", c.ID, c.Kinds)
		}
		u, fs := Parse(c.ID)
		if len(fs) > 0 {
			t.Errorf("%s: %v", c.ID, fs)
			continue
		}
		v := tunnel.Tunnel{Ref: tunnel.Ref{Owner: tunnel.Operator, Name: "x"}, Server: tunnel.Server{Host: "h", Port: 22, User: "u"}, Login: tunnel.LoginKey}
		v.Mappings, _ = Insert(nil, []Use{u})
		if fs := tunnel.Check(v); len(fs) > 0 || len(v.Mappings) != len(c.Ports) {
			t.Errorf("%s becomes %v: %v", c.ID, v.Mappings, fs)
		}
		for _, m := range v.Mappings {
			if m.Kind.Exposes() != (c.Group == PBX) || listening(m) < 1024 {
				t.Errorf("%s becomes %s %s", c.ID, m.Kind, m)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d templates", len(seen))
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ldap", "reach ldap=1389:389"},
		{"ldap@dc1.lan", "reach ldap=1389:dc1.lan:389"},
		{"dc1=ldap:gateway@[2001:db8::7]", "reach-gateway dc1=1389:[2001:db8::7]:389"},
		{"ssh", "expose ssh=22:2222"},
		{"ssh:gateway", "expose-gateway ssh=22:2222"},
		{"bosh", "expose bosh=7070:7070 expose bosh-tls=7443:7443"},
		{"chat=bosh", "expose chat=7070:7070 expose chat-tls=7443:7443"},
		{"escaux-clone", "expose escaux-clone-ssh=22:10122 expose escaux-clone-http=80:10180"},
		{"syslog@10.1.2.3", "reach syslog=1514:10.1.2.3:514 reach syslog-tls=6514:10.1.2.3:6514"},
	} {
		u, fs := Parse(c.text)
		if got := written(u.mappings()); len(fs) > 0 || got != c.want {
			t.Errorf("%s becomes %s (%v), want %s", c.text, got, fs, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "required",
		"ladp":                   "malformed",
		"ldap:reach":             "malformed",
		"ldap:":                  "malformed",
		"ldap@":                  "required",
		"ldap@dc 1":              "malformed",
		"ldap@2001:db8::7":       "malformed",
		"kerberos:gateway":       "policy-refused",
		"ssh@10.1.2.3":           "malformed",
		"A=ldap":                 "malformed",
		"=ldap":                  "required",
		strings.Repeat("x", 600): "too-long",
	} {
		_, fs := Parse(text)
		if len(fs) != 1 || string(fs[0].Code) != want || fs[0].WayOut == "" {
			t.Errorf("%.20q: %v, want %s", text, fs, want)
		}
	}
	if _, fs := Parse("ladp"); !strings.Contains(fs[0].WayOut, "did you mean ldap?") {
		t.Errorf("said %q", fs[0].WayOut)
	}
}

// What is there already keeps its name and its port.
func TestInsert(t *testing.T) {
	for _, c := range []struct {
		name, there, uses, want string
		warns                   []string
	}{
		{"two of one", "", "ldaps@dc1 ldaps@dc2", "reach ldaps=1636:dc1:636 reach ldaps-2=2636:dc2:636", []string{"mapping ldaps-2: port 1636 is taken in this tunnel, so it has 2636"}},
		{"beside what is there", "reach sql=1433:1433", "mssql@sql.lan", "reach sql=1433:1433 reach mssql=2433:sql.lan:1433",
			[]string{"mapping mssql: port 1433 is taken in this tunnel, so it has 2433", "mapping mssql: Microsoft SQL Server has a UDP part too, which no tunnel carries"}},
		{"the other direction", "reach x=9100:9100", "node", "reach x=9100:9100 expose node=9100:9100", nil},
		{"a name of the operator's", "reach a=1636:dc1:636", "a=ldaps@dc2", "reach a=1636:dc1:636 reach a=1636:dc2:636", nil},
		{"no port is left", "reach a=50080:1", "prov", "reach a=50080:1 expose prov=50080:50080", nil},
		{"a shell", "", "ssh", "expose ssh=22:2222", []string{"mapping ssh: whoever may log in there can go on into the PBX's own network"}},
		{"several ports, once", "", "syslog", "reach syslog=1514:514 reach syslog-tls=6514:6514", []string{"mapping syslog and syslog-tls: Syslog over TCP and TLS has a UDP part too, which no tunnel carries"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var uses []Use
			for text := range strings.FieldsSeq(c.uses) {
				u, fs := Parse(text)
				if len(fs) > 0 {
					t.Fatal(fs)
				}
				uses = append(uses, u)
			}
			var there []tunnel.Mapping
			if kind, text, ok := strings.Cut(c.there, " "); ok {
				m, fs := tunnel.ParseMapping(tunnel.Kind(kind), text)
				if len(fs) > 0 {
					t.Fatal(fs)
				}
				there = append(there, m)
			}
			out, warns := Insert(there, uses)
			if got := written(out); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !slices.Equal(warns, c.warns) {
				t.Errorf("warned %q\nwant   %q", warns, c.warns)
			}
		})
	}
}

// The catalogue cannot be spoiled through what it gives away.
func TestAllIsACopy(t *testing.T) {
	All()[0].Ports[0].Local, All()[0].Kinds[0] = 1, "x"
	if a := All()[0]; a.Ports[0].Local == 1 || a.Kinds[0] == "x" {
		t.Error("All gave its own away")
	}
}

func written(ms []tunnel.Mapping) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, string(m.Kind)+" "+m.String())
	}
	return strings.Join(parts, " ")
}
