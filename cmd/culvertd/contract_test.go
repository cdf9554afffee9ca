package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// A module of an older version of the contract runs as it always did; one that speaks a newer one beside ours as well,
// with capabilities nobody knows yet; one that speaks only a newer one is refused, with its version, what this daemon
// speaks, and what to do (R88).
func TestVersionsOfTheContract(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"older", "newer", "both"} {
		r.install("contract", name)
	}
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	svc := startService(t)
	for _, name := range []string{"older", "both"} {
		r.must("config", "add", name+"/default", "--set", server(sshd), "--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", svc.port))
		r.waitState(name+"/default.site", "up", 30*time.Second)
		eventually(t, 30*time.Second, name+" to have its answer", func() error {
			b, err := os.ReadFile(filepath.Join(r.state, "modules", name, "default", "answer"))
			if err == nil && !strings.HasPrefix(string(b), "{\"ok\":true}\n0 e3b0c442") {
				err = fmt.Errorf("the answer is %q", b)
			}
			return err
		})
		r.must("config", "disable", name+"/default") // its Stop is asked for
		eventually(t, 20*time.Second, name+" to have stopped", func() error {
			if m := r.modules()[name]; m.State != "stopped" || m.Reason != "" {
				return fmt.Errorf("%+v", m)
			}
			return nil
		})
	}
	if err := logHolds(r, "older", "version 1 of the contract, 2 is the newest"); err != nil {
		t.Error(err)
	}
	eventually(t, 20*time.Second, "newer to be refused", func() error {
		if m := r.modules()["newer"]; m.State != "failed" || m.Reason != "contract-unsupported" {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	code, _, errs := r.cli("", "config", "add", "newer/default")
	for _, want := range []string{"it speaks version 3 of the contract, this culvertd speaks 1 to 2", "hint: update culvertd"} {
		if code != 4 || !strings.Contains(errs, want) {
			t.Errorf("a configuration of newer: exit %d, %q lacks %q", code, errs, want)
		}
	}
	if page := r.must("module", "show", "newer"); !strings.Contains(page, "version 3 of the contract") {
		t.Errorf("module show newer: %s", page)
	}
}
