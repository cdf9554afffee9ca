package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// testJSON is what the tests read of `config test -o json`.
type testJSON struct {
	OK    bool
	Steps []struct{ Name, State, Message, Remedy string }
}

// state is that of one step, with what it says.
func (j testJSON) state(step string) string {
	for _, s := range j.Steps {
		if s.Name == step {
			return s.State + " " + s.Message
		}
	}
	return ""
}

// test runs the module's test of a configuration.
func (r *rig) test(configuration string, set ...string) testJSON {
	r.t.Helper()
	code, out, errs := r.cli("", append([]string{"config", "test", configuration, "-o", "json"}, set...)...)
	var j testJSON
	if err := json.Unmarshal([]byte(out), &j); err != nil || (code == 0) != j.OK || code != 0 && code != 3 {
		r.t.Fatalf("config test ends with %d: %v\n%s%s", code, err, out, errs)
	}
	return j
}

// webServer serves https at a name of the site.
func (f *farSide) webServer(name string) (port int) {
	f.t.Helper()
	cert, key := f.ca.issue(f.t, name)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		f.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from ", r.Host) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it is not its trouble
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	f.t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

// A module's process speaks LDAP, SQL, SMB and HTTP with the real servers of a site over its tunnel alone, checks their
// certificates against names that cannot be looked up here, and serves HTTP to the site.
func TestAModuleWorksWithTheServicesOfASite(t *testing.T) {
	t.Parallel()
	r := newRig(t, "services")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	f := newFarSide(t)
	plain, secure := f.directory("dc1.corp.example", 120)
	spec := func(port int) map[string]any {
		return map[string]any{"on": true, "spec": fmt.Sprintf(":127.0.0.1:%d", port)}
	}
	page := freePort(t)
	doc := map[string]any{
		"ca": f.ca.pem,
		"site": map[string]any{"server": strings.TrimPrefix(server(sshd), "site.server="), "slots": map[string]any{
			"ldap": spec(plain), "ldaps": spec(secure), "sql": spec(f.database("db.corp.example")), "smb": spec(f.fileServer()),
			"web": spec(f.webServer("crm.corp.example")), "page": map[string]any{"on": true, "spec": fmt.Sprintf(":%d", page)},
		}},
		"directory": map[string]any{"host": "dc1.corp.example", "user": "cn=admin,dc=corp,dc=example", "password": password, "base": "dc=corp,dc=example"},
		"database":  map[string]any{"host": "db.corp.example", "name": "postgres", "user": "postgres", "password": password},
		"share":     map[string]any{"host": "files.corp.example", "name": "recordings", "user": "daemon", "password": password},
		"web":       map[string]any{"host": "crm.corp.example"},
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := r.cli(string(text), "config", "add", "services/default", "--file", "-"); code != 0 {
		t.Fatal(errs)
	}
	r.waitState("services/default.site", "up", 30*time.Second)

	got := r.test("services/default")
	for step, want := range map[string]string{
		"tunnel": "ok services/default.site is up", "directory, StartTLS": "ok 120 people", "directory, TLS": "ok 120 people",
		"database": "ok PostgreSQL", "file share": "ok can be written to", "web server": "ok 200 OK",
	} {
		if !strings.HasPrefix(got.state(step), want) {
			t.Errorf("step %s is %q, not %q", step, got.state(step), want)
		}
	}
	r.readsThePage(page)

	// What is given with the test counts in it, and nowhere else.
	bad := r.test("services/default", "directory.host=dc2.corp.example", "database.password=wrong", "share.password=wrong", "web.host=other.example")
	for step, want := range map[string]string{
		"directory, StartTLS": "dc2.corp.example", "directory, TLS": "dc2.corp.example", "database": "password authentication failed",
		"file share": "failed", "web server": "other.example",
	} {
		if s := bad.state(step); !strings.HasPrefix(s, "failed ") || !strings.Contains(s, want) {
			t.Errorf("with wrong settings step %s is %q, not failed with %q", step, s, want)
		}
	}
	if again := r.test("services/default"); !again.OK {
		t.Errorf("after the test of wrong settings the stored ones are %+v", again)
	}
}

// readsThePage asks for the module's page as somebody at the site does.
func (r *rig) readsThePage(port int) {
	r.t.Helper()
	c := &http.Client{Timeout: 10 * time.Second}
	defer c.CloseIdleConnections()
	for _, path := range []string{"/one", "/two"} { // the second over the same connection
		res, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		if err != nil {
			r.t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if want := "services/default was asked for " + path + "\n"; err != nil || string(b) != want {
			r.t.Errorf("the page at the site is %q, %v, not %q", b, err, want)
		}
	}
}
