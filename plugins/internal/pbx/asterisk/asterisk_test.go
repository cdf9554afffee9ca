package asterisk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/ami"
	"github.com/culvert-pbx/culvert/plugins/internal/ami/amitest"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

type inDirectory struct {
	dir string
	Settings
}

func (d inDirectory) Open(t *testing.T) pbx.Adapter {
	a, err := Open(files.Config{Record: filepath.Join(d.dir, "own"), Dir: filepath.Join(d.dir, "culvert")}, d.Settings)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func to(addr string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
}

func TestAsteriskKeepsTheContract(t *testing.T) {
	stub := &amitest.Stub{User: "culvert", Secret: "s", Rights: []string{"config"}, Modules: []string{"pbx_config", "res_pjsip"}}
	reload := Manager{Dial: to(stub.Start(t)), User: "culvert", Secret: "s"}
	for name, s := range map[string]Settings{"Alone": {}, "Endpoints": {Endpoint: "phone", Fax: "faxes", Reload: reload}} {
		t.Run(name, func(t *testing.T) {
			pbxtest.Run(t, func(t *testing.T) pbxtest.Fixture { return inDirectory{t.TempDir(), s} })
		})
	}
}

func TestWhatIsWritten(t *testing.T) {
	d := inDirectory{t.TempDir(), Settings{Endpoint: "phone", Fax: "faxes", Ring: 25}}
	s := pbxtest.Sample()
	s.Users[1].DisplayName = "Bob [x] #include"
	r, err := d.Open(t).Apply(t.Context(), pbx.Diff(pbx.State{}, s))
	if err != nil || len(r.Refused) > 0 {
		t.Fatalf("%+v, %v", r.Refused, err)
	}
	is(t, d, "extensions.conf", `; Written by Culvert from its record of users. Changes made here are lost.

[culvert-users]
exten => 101,hint,PJSIP/101
exten => 101,1,Dial(PJSIP/101,25)
exten => 101,n,Hangup()
exten => 102,hint,PJSIP/102
exten => 102,1,Dial(PJSIP/102,25)
exten => 102,n,Hangup()
exten => 103,hint,PJSIP/103
exten => 103,1,Dial(PJSIP/103,25)
exten => 103,n,Hangup()

[culvert-numbers]
exten => +4972112345101,1,Goto(culvert-users,101,1)
exten => +4972112345102,1,Goto(culvert-users,102,1)
exten => +4972112345200,1,Dial(PJSIP/101&PJSIP/102,25)
exten => +4972112345200,n,Hangup()

[culvert-faxes]
exten => +4972112345902,1,Goto(faxes,102,1)
`)
	is(t, d, "pjsip.conf", `; Written by Culvert from its record of users. Changes made here are lost.

[101](phone)
type = endpoint
auth = 101
aors = 101
callerid = "Anna Müller" <101>

[101](phone-aor)
type = aor

[102](phone)
type = endpoint
auth = 102
aors = 102
callerid = "Bob [x] #include" <102>

[102](phone-aor)
type = aor

[103](phone)
type = endpoint
auth = 103
aors = 103
callerid = "carl" <103>

[103](phone-aor)
type = aor
`)
}

func is(t *testing.T, d inDirectory, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(d.dir, "culvert", name))
	if err != nil || string(got) != want {
		t.Errorf("%s, %v:\n%s", name, err, got)
	}
}

func TestWhatAsteriskCannotKeepIsSaid(t *testing.T) {
	s := pbxtest.Sample()
	s.PutUser(pbx.User{ID: "eve", Login: "eve", DisplayName: "Eve", Numbers: []pbx.Number{{E164: "+4972112345105", Use: pbx.Phone}}, Status: pbx.Active})
	crowd := pbx.Group{ID: "crowd", Name: "Crowd", Numbers: []pbx.Number{{E164: "+4972112345201", Use: pbx.Phone}}}
	for i := range maxRing + 1 {
		u := pbx.User{ID: pbx.ID(fmt.Sprintf("u%03d", i)), Login: fmt.Sprint("u", i), Extension: fmt.Sprint(2000 + i), Status: pbx.Active}
		s.PutUser(u)
		crowd.Members = append(crowd.Members, u.ID)
	}
	s.PutGroup(crowd)
	s.PutGroup(pbx.Group{ID: "empty", Name: "Empty", Numbers: []pbx.Number{{E164: "+4972112345202", Use: pbx.Phone}, {E164: "+4972112345203", Use: pbx.Fax}}})
	a := inDirectory{t.TempDir(), Settings{Endpoint: "phone"}}.Open(t)
	p := pbx.Diff(pbx.State{}, s)
	r, err := a.Preview(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Refused {
		got = append(got, fmt.Sprintf("%s%s %s %s", f.User, f.Group, f.Finding.Field, f.Finding.Value))
	}
	slices.Sort(got)
	want := []string{"bob display_name Bob; [x] #include ${y}", "bob numbers +4972112345902", "crowd numbers 101", "empty numbers +4972112345202",
		"empty numbers +4972112345203", "eve numbers +4972112345105"}
	if !slices.Equal(got, want) {
		t.Errorf("left out are\n%s", strings.Join(got, "\n"))
	}
	if done, err := a.Apply(t.Context(), p); err != nil || !slices.EqualFunc(done.Refused, r.Refused, func(x, y pbx.Refusal) bool { return x == y }) {
		t.Errorf("Apply left out other things than Preview: %v", err)
	}
}

func TestTellsWhyAsteriskWasNotReloaded(t *testing.T) {
	stub := &amitest.Stub{User: "culvert", Secret: "s", Modules: []string{"pbx_config"}}
	d := inDirectory{t.TempDir(), Settings{Reload: Manager{Dial: to(stub.Start(t)), User: "culvert", Secret: "s"}}}
	a := d.Open(t)
	if _, err := a.Apply(t.Context(), pbx.Plan{}); !errors.Is(err, pbx.ErrReload) || !errors.Is(err, ami.ErrDenied) {
		t.Errorf("without the right: %v", err)
	}
	stub.Allow("config")
	if r, err := a.Apply(t.Context(), pbx.Plan{}); err != nil || !r.Reloaded {
		t.Errorf("with it: %+v, %v", r, err)
	}
}

// Whatever a directory holds, the dialplan has digits and our words, and every section and key is one of ours.
func TestHostileTextHasNoEffect(t *testing.T) {
	s, _ := pbxtest.HostileState()
	out, refused := Settings{Endpoint: "phone", AOR: "phone-aor", Ring: 30, Fax: "faxes", Formats: export.Formats()}.render(s)
	dialplan := regexp.MustCompile(`^exten => (1[0-9]{4},(hint,PJSIP/1[0-9]{4}|1,Dial\(PJSIP/1[0-9]{4},30\)|n,Hangup\(\))|\+4972112[0-9]{5},(1,Dial\(PJSIP/1[0-9]{4},30\)|n,Hangup\(\)))$|^\[culvert-(users|numbers|faxes)\]$|^; Written|^$`)
	for l := range strings.SplitSeq(string(out[0].Data), "\n") {
		if !dialplan.MatchString(l) {
			t.Errorf("in the dialplan stands %q", l)
		}
	}
	names := map[string]string{}
	for _, u := range s.Users {
		names[u.Extension] = u.Name()
	}
	for _, r := range refused {
		if u, ok := s.User(r.User); ok && strings.HasPrefix(r.Finding.Message, pjsipName) {
			names[u.Extension] = ""
		}
	}
	sections, odd := parse(string(out[1].Data))
	if len(sections) != 2*len(s.Users) || len(odd) > 0 {
		t.Errorf("%d sections for %d users, and %q", len(sections), len(s.Users), odd)
	}
	for i := 0; i < len(sections); i += 2 {
		ext := s.Users[i/2].Extension
		if name, number := parts(sections[i].lines[3].value); name != names[ext] || number != ext {
			t.Errorf("extension %s calls as %q <%s>", ext, name, number)
		}
		endpoint := section{ext, "(phone)", []line{{"type", "endpoint"}, {"auth", ext}, {"aors", ext}, sections[i].lines[3]}}
		aor := section{ext, "(phone-aor)", []line{{"type", "aor"}}}
		if !same(sections[i], endpoint) || !same(sections[i+1], aor) {
			t.Errorf("%+v and %+v", sections[i], sections[i+1])
		}
	}
}

func same(a, b section) bool {
	return a.name == b.name && a.templates == b.templates && slices.Equal(a.lines, b.lines)
}

// A value is read back as it is, or is not written at all; what follows it is untouched.
func FuzzValue(f *testing.F) {
	for _, s := range pbxtest.Hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c := &conf{}
		c.section("before", "t")
		ok := c.set("key", value)
		c.section("behind")
		c.set("end", "1")
		sections, odd := parse(c.String())
		if len(sections) != 2 || len(odd) > 0 || len(sections[1].lines) != 1 || sections[0].name != "before" || sections[0].templates != "(t)" {
			t.Fatalf("%q makes %+v and %q", value, sections, odd)
		}
		if lines := sections[0].lines; ok && (len(lines) != 1 || lines[0] != line{"key", value}) || !ok && len(lines) > 0 {
			t.Errorf("%q is read as %q", value, lines)
		}
	})
}

func FuzzCallerID(f *testing.F) {
	for _, s := range pbxtest.Hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		id, ok := callerID(name, "101")
		if !ok {
			return
		}
		c := &conf{}
		c.section("101")
		if !c.set("callerid", id) {
			return
		}
		sections, _ := parse(c.String())
		if n, number := parts(sections[0].lines[0].value); n != name || number != "101" {
			t.Errorf("%q calls as %q <%s>", name, n, number)
		}
	})
}
