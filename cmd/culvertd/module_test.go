package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// dialled is what the dialer reports of its last try.
type dialled struct {
	Try                   int
	Answer, Error, Reason string
	Took                  time.Duration
}

func (r *rig) dialled() (d dialled, err error) {
	text, err := os.ReadFile(filepath.Join(r.state, "modules", "dialer", "default", "result.json"))
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

// waitDialled waits for a try that ended as ok wants.
func (r *rig) waitDialled(what string, ok func(dialled) bool) {
	r.t.Helper()
	eventually(r.t, 20*time.Second, what, func() error {
		d, err := r.dialled()
		if err == nil && !ok(d) {
			err = fmt.Errorf("the last try: %+v", d)
		}
		return err
	})
}

// A module reaches a service of the site through a private socket: no port, half-close, and typed reasons at once.
func TestAModuleDialsWithoutAPort(t *testing.T) {
	t.Parallel()
	r := newRig(t, "dialer")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	svc := startService(t)
	r.must("config", "add", "dialer/default", "--set", server(sshd), "--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", svc.port))
	r.waitState("dialer/default.site", "up", 20*time.Second)
	answered := func(d dialled) bool { return strings.HasPrefix(d.Answer, "100000 ") }
	r.waitDialled("an answer through the tunnel", answered)

	sshd.Cut()
	r.waitDialled("a try after the cut", func(d dialled) bool { return answered(d) })

	r.must("tunnel", "disable", "dialer/default.site")
	r.waitDialled("the reason of a suspended tunnel", func(d dialled) bool { return d.Reason == "suspended" && d.Took < time.Second })
	r.must("tunnel", "enable", "dialer/default.site")
	r.waitDialled("an answer again", answered)

	r.must("config", "set", "dialer/default", "--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", freePort(t)))
	r.waitDialled("the target's refusal", func(d dialled) bool { return d.Reason == "target-refused" && d.Took < time.Second })
}

// Nobody but the module's own process gets anything through its private socket.
func TestAPrivateSocketIsForItsModuleAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "dialer")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	svc := startService(t)
	r.must("config", "add", "dialer/default", "--set", server(sshd), "--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", svc.port))
	r.waitDialled("an answer through the tunnel", func(d dialled) bool { return d.Answer != "" })
	sockets, err := filepath.Glob(filepath.Join(r.dir, "m", "dialer", "*.sock"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("sockets %v: %v", sockets, err)
	}
	c, err := net.Dial("unix", sockets[0])
	if err != nil {
		return // not even that
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if strings.Contains(string(buf[:n]), `"ok":true`) {
		t.Errorf("a stranger was greeted: %s", buf[:n])
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a stranger is left waiting")
	}
}

// Another binary under a module's name waits for the operator, while the old process runs on.
func TestAnotherBinaryWaitsForAcceptance(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring")
	r.must("config", "add", "monitoring/default")
	running := func() moduleJSON {
		var m moduleJSON
		eventually(t, 10*time.Second, "monitoring to run", func() error {
			if m = r.modules()["monitoring"]; m.State != "running" || m.PID == 0 {
				return fmt.Errorf("it is %s (%s)", m.State, m.Reason)
			}
			return nil
		})
		return m
	}
	old := running()
	binary, err := os.ReadFile(filepath.Join(r.plugins, "monitoring"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(r.plugins, "monitoring.new")
	if err := os.WriteFile(replaced, append(binary, 0), 0o755); err != nil { // still runs, but is another
		t.Fatal(err)
	}
	if err := os.Rename(replaced, filepath.Join(r.plugins, "monitoring")); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the new binary to wait for acceptance", func() error {
		if m := r.modules()["monitoring"]; m.Reason != "needs-acceptance" {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	if now := r.modules()["monitoring"]; now.PID != old.PID || now.State != "running" || now.SHA256 != old.SHA256 {
		t.Errorf("before acceptance: %+v, it was %+v", now, old)
	}
	if out := r.must("module", "accept", "monitoring"); !strings.Contains(out, "1.0.0") {
		t.Errorf("accept shows no version: %s", out)
	}
	eventually(t, 20*time.Second, "the accepted binary to run", func() error {
		if m := r.modules()["monitoring"]; m.PID == old.PID || m.SHA256 == old.SHA256 || m.State != "running" || m.Reason != "" {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	r.must("module", "restart", "monitoring")
}

// A module whose binary is gone leaves its tunnels inactive, with the reason; they can then be removed.
func TestAMissingModule(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring")
	r.must("config", "add", "monitoring/default", "--set", "site.server=pbx@127.0.0.1:"+strconv.Itoa(freePort(t)))
	r.waitState(victim, "waiting", 20*time.Second)
	if code, _, errs := r.cli("", "tunnel", "remove", victim); code != 4 {
		t.Errorf("removing a declared tunnel: exit %d: %s", code, errs)
	}
	if err := os.Remove(filepath.Join(r.plugins, "monitoring")); err != nil {
		t.Fatal(err)
	}
	if v := r.waitState(victim, "inactive", 20*time.Second); v.Reason != "module-missing" {
		t.Errorf("reason %s", v.Reason)
	}
	r.must("tunnel", "remove", victim)
}
