package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An update waits while the old process runs on; accepted it is taken up without a restart of the daemon. Neither that nor
// what the operator grants and takes back touches a tunnel, of the module or of others: no connection through them is lost.
func TestAnUpdateCostsNoConnection(t *testing.T) {
	t.Parallel()
	k := newKilled(t)
	before, old := k.changes(), k.modules()["dialer"]
	fine := func(when string) {
		t.Helper()
		for _, l := range k.lives {
			if err := l.fine(); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	again := func(when string) { // the module runs in another process than before
		t.Helper()
		was := k.pids["dialer"]
		eventually(t, 30*time.Second, when+": the module to run again", func() error {
			if m := k.modules()["dialer"]; m.State != "running" || m.PID == 0 || m.PID == was || m.Reason != "" {
				return fmt.Errorf("%+v, it was process %d", m, was)
			}
			return nil
		})
		k.pids["dialer"] = k.modules()["dialer"].PID
		fine(when)
	}

	k.must("module", "grant", "dialer", "dial", "5038")
	again("granted")
	k.update("dialer")
	eventually(t, 30*time.Second, "the update to wait", func() error {
		if m := k.modules()["dialer"]; m.Reason != "needs-acceptance" {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	if m := k.modules()["dialer"]; m.PID != k.pids["dialer"] || m.State != "running" || m.SHA256 != old.SHA256 {
		t.Errorf("while it waits: %+v", m)
	}
	fine("while it waits")
	k.must("module", "accept", "dialer")
	again("accepted")
	if m := k.modules()["dialer"]; m.SHA256 == old.SHA256 {
		t.Errorf("after it was accepted: %+v", m)
	}
	k.must("module", "revoke", "dialer", "dial", "5038")
	again("taken back")
	if after := k.changes(); after != before {
		t.Errorf("tunnels changed their state %d times", after-before)
	}
}

// update puts another binary of a module in place of the one there, which does the same.
func (r *rig) update(module string) {
	r.t.Helper()
	path := filepath.Join(r.plugins, module)
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path+".new", append(b, 0), 0o755)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}
