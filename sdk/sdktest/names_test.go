package sdktest_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// told is a test that only notes what it is told.
type told struct {
	testing.TB
	errors []string
}

func (t *told) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}

// A name that means nothing would have the test try nothing: it is told, with the names that there are.
func TestNamesThatThereAreNot(t *testing.T) {
	said := &told{TB: t}
	w := sdktest.Run(said, asking(nothing), withSite)
	server, _ := tunnel.ParseServer("tunnel@other.example")
	m, _ := tunnel.ParseMapping(tunnel.Reach, "web=:80")
	if err := w.AddTunnel(tunnel.Tunnel{Ref: tunnel.Ref{Owner: "adsync", Name: "office"}, Server: server, Mappings: []tunnel.Mapping{m}}); err != nil {
		t.Fatal(err)
	}
	w.Serve("site/smb", func(net.Conn) {}) // a slot that is off may be switched on yet
	w.Serve("office/web", func(net.Conn) {})
	w.Fault("office", sdktest.Cut)
	w.Heal("office")
	if len(said.errors) > 0 {
		t.Fatalf("names that there are: %q", said.errors)
	}
	w.Serve("site/ldpa", func(net.Conn) {})
	w.Serve("ldap", func(net.Conn) {})
	w.Serve("offices/web", func(net.Conn) {})
	w.Fault("sites", sdktest.Cut)
	w.Heal("berlin")
	want := []string{
		`serve site/ldpa: there is no mapping of site site "ldpa", did you mean "ldap"?; there is ldap, smb, status`,
		`serve ldap: "ldap" is no mapping: write SITE/MAPPING, SITE being the key of the settings`,
		`serve offices/web: there is no site "offices", did you mean "office"?; there is office, site`,
		`fault at sites: there is no site "sites", did you mean "site"?; there is office, site`,
		`fault at berlin: there is no site "berlin"; there is office, site`,
	}
	if !slices.Equal(said.errors, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(said.errors, "\n"), strings.Join(want, "\n"))
	}
	if _, err := w.Connect("site/state"); err == nil || !strings.Contains(err.Error(), "there is ldap, smb, status") {
		t.Errorf("connecting to no mapping is %v", err)
	}
}
