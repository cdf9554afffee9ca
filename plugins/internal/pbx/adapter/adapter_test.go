package adapter

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/ami/amitest"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestWhatIsChosenIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		Settings
		want []string
	}{
		"nothing said": {Settings{Dir: "DIR"}, []string{"directory.json", "groups.csv", "users.csv"}},
		"formats":      {Settings{Kind: Generic, Dir: "DIR", Formats: []export.Format{"ldif"}}, []string{"phonebook.ldif"}},
		"own":          {Settings{}, nil},
		"asterisk":     {Settings{Kind: Asterisk, Dir: "DIR", Formats: []export.Format{"xml"}}, []string{"extensions.conf", "phonebook.xml"}},
		"endpoints":    {Settings{Kind: Asterisk, Dir: "DIR", Endpoint: "phone"}, []string{"extensions.conf", "pjsip.conf"}},
	} {
		own, dir := t.TempDir(), t.TempDir()
		if c.Dir != "" {
			c.Dir = dir
		}
		a := open(t, c.Settings, own, nil)
		if _, err := a.Apply(t.Context(), pbx.Diff(pbx.State{}, pbxtest.Sample())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := listed(t, dir); !slices.Equal(got, c.want) {
			t.Errorf("%s: written are %q, want %q", name, got, c.want)
		}
		if c.Dir == "" && len(listed(t, filepath.Join(own, "files"))) == 0 {
			t.Error("nothing is in the module's own directory")
		}
	}
}

func TestAsteriskIsReloadedOverItsManagerInterface(t *testing.T) {
	stub := &amitest.Stub{User: "culvert", Secret: "s3cret", Rights: []string{"config"}, Modules: []string{"pbx_config", "res_pjsip"}}
	addr := stub.Start(t)
	port := 0
	a := open(t, Settings{Kind: Asterisk, Dir: t.TempDir(), Endpoint: "phone", User: "culvert", Secret: "s3cret"}, t.TempDir(),
		func(ctx context.Context, p int) (net.Conn, error) {
			port = p
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		})
	r, err := a.Apply(t.Context(), pbx.Diff(pbx.State{}, pbxtest.Sample()))
	if err != nil || !r.Reloaded || port != ManagerPort {
		t.Errorf("%+v, %v, port %d", r, err, port)
	}
	if got := stub.Reloaded(); !slices.Equal(got, []string{"res_pjsip", "pbx_config"}) {
		t.Errorf("reloaded were %q", got)
	}
}

func TestSettingsThatMeanNothing(t *testing.T) {
	for field, s := range map[string]Settings{
		"dir":      {Dir: "../etc"},
		"endpoint": {Kind: Asterisk, Dir: "/srv/culvert", Endpoint: "a](!)"},
		"fax":      {Kind: Asterisk, Dir: "/srv/culvert", Fax: "x,1)\n"},
	} {
		if fs := s.Check(); len(fs) != 1 || fs[0].Field != field {
			t.Errorf("%s: %v", field, fs)
		}
	}
}

func TestGrantsAreGrants(t *testing.T) {
	for _, g := range Grants() {
		if _, fs := tunnel.ParseGrant(g); len(fs) > 0 {
			t.Error(fs)
		}
	}
}

func open(t *testing.T, s Settings, own string, dial func(context.Context, int) (net.Conn, error)) pbx.Adapter {
	t.Helper()
	a, err := Open(s, own, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// listed are the names in a directory that do not begin with a dot.
func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names
}
