package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// The users of a directory at a site become those of the PBX, over the module's own tunnel and by nothing else: without
// the tunnel the run fails and changes nothing.
func TestADirectoryBecomesTheUsersOfThePBX(t *testing.T) {
	t.Parallel()
	r := newRig(t, "adsync")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	f := newFarSide(t)
	_, secure := f.directory("dc1.corp.example", 120)
	doc, err := json.Marshal(map[string]any{
		"site": map[string]any{"server": strings.TrimPrefix(server(sshd), "site.server="), "slots": map[string]any{
			"dc1-ldaps": map[string]any{"spec": fmt.Sprintf(":127.0.0.1:%d", secure)},
		}},
		"directory": map[string]any{"kind": "openldap", "server_name": "dc1.corp.example", "ca": f.ca.pem, "user": "cn=admin,dc=corp,dc=example", "password": password},
		"schedule":  "off",
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := r.cli(string(doc), "config", "add", "adsync/default", "--file", "-"); code != 0 {
		t.Fatal(errs)
	}
	r.waitState("adsync/default.site", "up", 30*time.Second)
	if got := r.test("adsync/default"); !got.OK {
		t.Errorf("the test says %+v", got)
	}
	r.must("tunnel", "disable", "adsync/default.site")
	r.syncs("without the tunnel", false)
	r.hasUsers(0)
	r.must("tunnel", "enable", "adsync/default.site")
	r.waitState("adsync/default.site", "up", 30*time.Second)
	r.syncs("with the tunnel", true)
	r.hasUsers(120)
	r.must("tunnel", "disable", "adsync/default.site")
	r.syncs("without the tunnel again", false)
	r.hasUsers(120)
}

// syncs has the module synchronise now, which must go well or not.
func (r *rig) syncs(how string, well bool) {
	r.t.Helper()
	began := time.Now()
	code, out, errs := r.cli("", "job", "run", "adsync/default", "sync", "--wait")
	if (code == 0) != well {
		r.t.Errorf("%s a run ends with %d: %s%s", how, code, out, errs)
	}
	if took := time.Since(began); took > 45*time.Second {
		r.t.Errorf("%s a run takes %v", how, took)
	}
}

// hasUsers counts what programs of the PBX read.
func (r *rig) hasUsers(want int) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.state, "modules", "adsync", "default", "files", "users.csv"))
	if got := bytes.Count(b, []byte("@corp.example")); err != nil || got != want {
		r.t.Errorf("the PBX has %d users, %v", got, err)
	}
}
