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
		"schedule":  "every 5m",
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := r.cli(string(doc), "config", "add", "adsync/default", "--file", "-"); code != 0 {
		t.Fatal(errs)
	}
	users := filepath.Join(r.state, "modules", "adsync", "default", "pbx", "users.csv")
	eventually(t, 60*time.Second, "the users to be there", func() error {
		b, err := os.ReadFile(users)
		if err == nil && bytes.Count(b, []byte("@corp.example")) != 120 {
			err = fmt.Errorf("they are\n%s", b)
		}
		return err
	})
	if got := r.test("adsync/default"); !got.OK {
		t.Errorf("the test says %+v", got)
	}
}
