package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A key that was learned at the first success counts from then on, in the same daemon: a server that shows another one
// gets no login, until a person accepts its key.
func TestALearnedHostKeyIsEnforcedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	learned := b.sshd.Fingerprint(t, "sha256")
	if pin := b.pin("operator/x"); pin != "learned" {
		t.Fatalf("the key is %s", pin)
	}
	b.sshd.Stop()
	b.sshd.NewHostKey(t, "")
	b.sshd.Start(t)
	from := len(b.eventList())
	v := b.waitState("operator/x", "blocked", 20*time.Second)
	if v.Reason != "hostkey-mismatch" || !strings.Contains(v.Message, b.sshd.Fingerprint(t, "sha256")) || !strings.Contains(v.Message, learned) {
		t.Errorf("it is blocked for %s: %s", v.Reason, v.Message)
	}
	for _, m := range v.Mappings {
		if m.State != "down" || m.Reason != "hostkey-mismatch" {
			t.Errorf("mapping %+v", m)
		}
	}
	for range 3 {
		b.restartToBeRefused()
	}
	if log := b.sshd.Log(); strings.Contains(log, "Accepted") || strings.Contains(log, "Failed") {
		t.Errorf("a login was sent:\n%s", log)
	}
	for _, e := range b.eventList()[from:] {
		if state := e.Fields["state"]; state == "up" || state == "degraded" {
			t.Errorf("meanwhile it was called %s: %+v", state, e)
		}
	}
	accept := b.acceptLine("operator/x")
	b.sshd.Stop()
	seen := b.sshd.NewHostKey(t, "")
	b.sshd.Start(t)
	b.restartToBeRefused()
	if code, out, _ := b.cli("", accept...); code == 0 {
		t.Errorf("a key that nobody has seen was accepted: %s", out)
	}
	b.sshd.Stop()
	seen()
	b.sshd.Start(t)
	b.restartToBeRefused()
	b.must(accept...)
	b.waitState("operator/x", "up", 20*time.Second)
	if pin := b.pin("operator/x"); pin != "confirmed" {
		t.Errorf("after accept-key the key is %s", pin)
	}
	b.back(time.Now(), 10*time.Second)
}

// restartToBeRefused asks for a new link and waits until the server has shown its key once more.
func (b *broken) restartToBeRefused() {
	b.t.Helper()
	connections := func() int { return strings.Count(b.sshd.Log(), "Connection from") }
	before := connections()
	b.must("tunnel", "restart", "operator/x")
	eventually(b.t, 10*time.Second, "another attempt to be refused", func() error {
		v, err := b.tunnel("operator/x")
		if err == nil && (v.State != "blocked" || connections() == before) {
			err = fmt.Errorf("it is %s after %d connections", v.State, connections()-before)
		}
		return err
	})
}

// pin is how sure the tunnel's host key is.
func (r *rig) pin(name string) string {
	r.t.Helper()
	var v struct{ Pin string }
	if err := json.Unmarshal([]byte(r.must("tunnel", "show", name, "-o", "json")), &v); err != nil {
		r.t.Fatal(err)
	}
	return v.Pin
}

// A server that got another key and then its old one back is entered as before, once somebody says so: no key needs to be
// accepted for that, and `why` names the line.
func TestAHostKeyThatIsBackNeedsARestartAlone(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	b.sshd.Stop()
	back := b.sshd.NewHostKey(t, "")
	b.sshd.Start(t)
	b.waitState("operator/x", "blocked", 20*time.Second)
	b.sshd.Stop()
	back()
	b.sshd.Start(t)
	const again = "culvert tunnel restart operator/x"
	if _, why, _ := b.cli("", "tunnel", "why", "operator/x"); strings.Count(why, again) != 2 || !strings.Contains(why, "\n"+again+"\n") {
		t.Errorf("why says:\n%s", why)
	}
	b.must(strings.Fields(again)[1:]...)
	b.waitState("operator/x", "up", 20*time.Second)
	if pin := b.pin("operator/x"); pin != "learned" {
		t.Errorf("the key is %s now", pin)
	}
}

// acceptLine is the line that `why` has pasted to accept the key that the server shows, which it names.
func (b *broken) acceptLine(name string) (arguments []string) {
	b.t.Helper()
	line := "culvert tunnel accept-key operator/x --fingerprint " + b.sshd.Fingerprint(b.t, "sha256")
	eventually(b.t, 20*time.Second, "why to offer "+line, func() error {
		if _, why, _ := b.cli("", "tunnel", "why", name); !strings.Contains(why, "\n"+line+"\n") {
			return fmt.Errorf("it says:\n%s", why)
		}
		return nil
	})
	return strings.Fields(line)[1:]
}

// A key that the second link alone met is the one that accept-key takes; and where the server has its old one back, the
// second link comes back by itself, and the main link stands all the while.
func TestAHostKeyThatTheSecondLinkMet(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	main := b.sshd.Sessions()
	b.must("tunnel", "set", "operator/x", "--lane", b.waitState("operator/x", "up", 20*time.Second).Mappings[0].Name+"=bulk")
	second := b.secondBeside(main)
	back := b.sshd.NewHostKey(t, "")
	b.sshd.Reload(t)
	kill := func() {
		if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	b.acceptLine("operator/x")
	back()
	b.sshd.Reload(t)
	second = b.secondBeside(main)

	b.sshd.NewHostKey(t, "")
	b.sshd.Reload(t)
	kill()
	b.must(b.acceptLine("operator/x")...)
	b.waitState("operator/x", "up", 20*time.Second)
	if v, err := b.tunnel("operator/x"); err != nil || v.Fingerprint != b.sshd.Fingerprint(t, "sha256") {
		t.Errorf("the key is %s now, %v", v.Fingerprint, err)
	}
	b.back(time.Now(), 10*time.Second)
}

// secondBeside waits until the tunnel is up on two links, of which main is one that stood before, and returns the other's
// process at the server.
func (b *broken) secondBeside(main []int) (second int) {
	b.t.Helper()
	eventually(b.t, 40*time.Second, "a second link beside the main one", func() error {
		v, err := b.tunnel("operator/x")
		beside := b.sshd.Sessions()
		if err != nil || v.State != "up" || len(main) != 1 || len(beside) != 2 || !slices.Contains(beside, main[0]) {
			return fmt.Errorf("it is %s (%s) with %v, once %v: %v", v.State, v.Reason, beside, main, err)
		}
		second = beside[0] + beside[1] - main[0]
		return nil
	})
	return second
}
