package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// After a boot the socket directory is empty. A module that dials a tunnel without a link is told why at once then too.
func TestPrivateSocketsAppearAfterABoot(t *testing.T) {
	t.Parallel()
	r := newRig(t, "dialer")
	r.must("config", "add", "dialer/default", "--set", fmt.Sprintf("site.server=pbx@127.0.0.1:%d", freePort(t)))
	r.waitState("dialer/default.site", "waiting", 20*time.Second)
	r.must("tunnel", "disable", "dialer/default.site")
	for range long(10, 3) { // who comes first, the tunnels or the modules, differs
		r.stop()
		for _, left := range []string{filepath.Join(r.dir, "m"), filepath.Join(r.state, "modules", "dialer", "default", "result.json")} {
			if err := os.RemoveAll(left); err != nil {
				t.Fatal(err)
			}
		}
		r.start()
		r.waitDialled("the reason of a suspended tunnel", func(d dialled) bool { return d.Reason == "suspended" && d.Took < time.Second })
	}
}
