package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// The line that `key show OWNER/NAME` prints lets the tunnel do all that it needs at a real sshd, and no more: another
// mapping needs another line (R65).
func TestKeyLineAllowsWhatTheTunnelNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	keys := filepath.Join(r.dir, "authorized_keys")
	write(t, keys, "")
	sshd := sshdtest.Start(t, sshdtest.Options{Config: []string{"AuthorizedKeysFile " + keys, "GatewayPorts clientspecified"}})
	svc := startService(t)
	r.must("tunnel", "add", "operator/x", "--server", "root@"+net.JoinHostPort(sshd.Host, strconv.Itoa(sshd.Port)), "--key", "host", "--disabled",
		"--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", freePort(t), svc.port), "--expose", fmt.Sprintf("e=%d:%d", svc.port, freePort(t)),
		"--expose-gateway", fmt.Sprintf("g=%d:%d", svc.port, freePort(t)))
	let := func() { write(t, keys, r.must("key", "show", "operator/x")) }
	let()
	r.must("tunnel", "enable", "operator/x")
	r.waitState("operator/x", "up", 20*time.Second)

	r.must("tunnel", "set", "operator/x", "--expose", fmt.Sprintf("more=%d:%d", svc.port, freePort(t)))
	eventually(t, 20*time.Second, "the line of before does not allow more", func() error {
		v, err := r.tunnel("operator/x")
		if err != nil {
			return err
		}
		if m := v.Mappings[3]; v.State != "degraded" || m.State != "down" || m.Reason != "remote-port-forbidden" {
			return fmt.Errorf("it is %s, and the mapping %s (%s)", v.State, m.State, m.Reason)
		}
		return nil
	})
	if code, out, _ := r.cli("", "tunnel", "why", "operator/x"); code != 3 || !contains(out, "operator/x/more is down: ") || contains(out, "operator/x/e is") {
		t.Errorf("why: exit %d: %s", code, out)
	}
	let()
	r.must("tunnel", "restart", "operator/x")
	r.waitState("operator/x", "up", 20*time.Second)
}
