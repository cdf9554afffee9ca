package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// later runs the program and, once it is waiting, does what then says.
func (b testbed) later(line string, then func()) result {
	b.t.Helper()
	eventually(b.t, "earlier watches end", func() bool { return b.Watchers() == 0 })
	done := make(chan result, 1)
	go func() { done <- b.run("", strings.Fields(line)...) }()
	eventually(b.t, "the program waits", func() bool { return b.Watchers() > 0 })
	then()
	return <-done
}

func mapping(state tunnel.State, reason tunnel.Reason) []tunnel.MappingStatus {
	return []tunnel.MappingStatus{{Name: "reach-389", State: state, Reason: reason, Remedy: "look at the service"}}
}

var up = tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")}

func TestWaitShowsTheStagesUntilUp(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.must("tunnel", "disable", "hello/x")
	r := b.later("tunnel enable hello/x --wait=15s", func() {
		b.report("hello/x", tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable, Message: "nobody there", Mappings: mapping(tunnel.Down, tunnel.Unreachable)})
		b.report("hello/x", tunnel.Status{State: tunnel.Connecting, Mappings: mapping(tunnel.Down, "")})
		b.report("hello/x", up)
	})
	if r.code != 0 || !strings.HasPrefix(r.out, "hello/x switched on\n") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	for _, stage := range []string{"name          ok", "tcp           ok", "hostkey       ok", "login         ok", "reach-389     ok"} {
		if !strings.Contains(r.err, stage) {
			t.Errorf("no %q in %s", stage, r.err)
		}
	}
}

// At the end it tells what the services said, though no change told it.
func TestWaitShowsWhatTheServicesSaid(t *testing.T) {
	b := newTestbed(t)
	b.must("tunnel", "add", "hello/x", "--server", "pbx@192.0.2.1", "--key", "host", "--reach", "1389:389", "--via", "http://proxy:3128")
	b.must("tunnel", "disable", "hello/x")
	r := b.later("tunnel enable hello/x --wait=15s", func() {
		heard := up
		heard.Mappings = mapping(tunnel.Up, "")
		heard.Mappings[0].Target = tunnel.Statement{State: tunnel.Up, Message: "220 mail.example.org ESMTP\x1b[2J"}
		b.report("hello/x", heard)
	})
	for _, want := range []string{"  proxy         ok\n", "  reach-389     ok\n", "  reach-389     the service said: 220 mail.example.org ESMTP\\x1b[2J\n"} {
		if r.code != 0 || !strings.Contains(r.err, want) {
			t.Errorf("exit %d, no %q in %s", r.code, want, r.err)
		}
	}
}

// A service is heard after its tunnel is up; who waits for one tunnel waits a moment for that, and no longer than asked to.
func TestWaitWaitsAMomentForWhatTheServiceSays(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.must("tunnel", "disable", "hello/x")
	r := b.later("tunnel enable hello/x --wait=15s", func() {
		b.report("hello/x", up)
		time.Sleep(300 * time.Millisecond) // it speaks late, but in time
		heard := up
		heard.Mappings = mapping(tunnel.Up, "")
		heard.Mappings[0].Target = tunnel.Statement{State: tunnel.Up, Message: "220 ready"}
		b.report("hello/x", heard)
	})
	if want := "  reach-389     the service said: 220 ready\n"; r.code != 0 || !strings.Contains(r.err, want) {
		t.Errorf("exit %d, no %q in %s", r.code, want, r.err)
	}

	b.must("tunnel", "disable", "hello/x")
	began := time.Now()
	r = b.later("tunnel enable hello/x --wait=15s", func() { b.report("hello/x", up) })
	if took := time.Since(began); r.code != 0 || strings.Contains(r.err, "said") || took > 3*hearFor {
		t.Errorf("exit %d after %s: %s", r.code, took, r.err)
	}
}

func TestWaitEndsWhenAPersonIsNeeded(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	began := time.Now()
	r := b.later("tunnel enable hello/x --wait=15s", func() {
		b.report("hello/x", tunnel.Status{State: tunnel.Blocked, Reason: tunnel.LoginRefused, Message: "the server refused the key", Remedy: "culvert key show", Mappings: mapping(tunnel.Down, tunnel.LoginRefused)})
	})
	if r.code != exitNotUp || time.Since(began) > 10*time.Second {
		t.Errorf("exit %d after %s: %s", r.code, time.Since(began), r.err)
	}
	for _, want := range []string{"hello/x is blocked (login-refused): the server refused the key", "culvert: hint: culvert key show", "hostkey       ok", "login         failed  login-refused"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no %q in %s", want, r.err)
		}
	}
}

// What it was before the new password is no outcome.
func TestNewPasswordIsWaitedFor(t *testing.T) {
	b := newTestbed(t)
	b.must("tunnel", "add", "hello/x", "--server", "pbx@192.0.2.1", "--password-file", file(t, "old"), "--reach", "1389:389")
	refused := tunnel.Status{State: tunnel.Blocked, Reason: tunnel.LoginRefused, Message: "the server refused the password", Mappings: mapping(tunnel.Down, tunnel.LoginRefused)}
	b.report("hello/x", refused)
	set := "tunnel secret hello/x --wait=15s --password-file " + file(t, "new")
	if r := b.later(set, func() { b.report("hello/x", up) }); r.code != 0 || !strings.HasPrefix(r.out, "hello/x has its new password\n") || !strings.Contains(r.err, "  login         ok\n") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	b.report("hello/x", refused)
	again := func() {
		b.report("hello/x", tunnel.Status{State: tunnel.Connecting, Mappings: mapping(tunnel.Down, "")})
		b.report("hello/x", refused)
	}
	if r := b.later(set, again); r.code != exitNotUp || !strings.Contains(r.err, "hello/x is blocked (login-refused)") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}

func TestWaitEndsWithItsTime(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.report("hello/x", tunnel.Status{State: tunnel.Degraded, Mappings: mapping(tunnel.Down, tunnel.TargetRefused)})
	r := b.run("", "tunnel", "enable", "hello/x", "--wait=300ms")
	for _, want := range []string{"hello/x is degraded after 300ms (reach-389: target-refused)", "culvert: hint: look at the service"} {
		if r.code != exitNotUp || !strings.Contains(r.err, want) {
			t.Errorf("exit %d, no %q in %s", r.code, want, r.err)
		}
	}
}

func TestWaitEndsWhenTheTunnelIsInactive(t *testing.T) {
	b := newTestbed(t)
	b.must("config", "disable", "hello/default")
	began := time.Now()
	r := b.run("", "tunnel", "add", "hello/x", "--server", "a@b", "--key", "host", "--wait=15s")
	if r.code != exitNotUp || !strings.Contains(r.err, "no-configuration") || time.Since(began) > 10*time.Second {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// After a restart, `up` counts only if it is a new one.
func TestWaitAfterRestartIsNotFooledByTheOldLink(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	old := up
	old.Since = time.Now().Add(-time.Hour)
	b.report("hello/x", old)
	if r := b.run("", "tunnel", "restart", "hello/x", "--wait=300ms"); r.code != exitNotUp {
		t.Errorf("the old link counted: exit %d: %s", r.code, r.err)
	}
	if r := b.later("tunnel restart hello/x --wait=15s", func() {
		b.report("hello/x", tunnel.Status{State: tunnel.Connecting, Mappings: mapping(tunnel.Down, "")})
		b.report("hello/x", up)
	}); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// With JSON there is one object on standard output, as the tunnel is at the end.
func TestWaitAsJSON(t *testing.T) {
	b := newTestbed(t)
	r := b.later("-o json tunnel add hello/x --server a@b --key host --reach 1389:389 --wait=15s", func() {
		eventually(t, "the tunnel is there", func() bool {
			_, err := b.Get(t.Context(), tunnel.Ref{Owner: "hello", Name: "x"})
			return err == nil
		})
		b.report("hello/x", up)
	})
	var got control.Tunnel
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 || got.State != "up" {
		t.Errorf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
}

func TestConfigSetWaitsForItsTunnels(t *testing.T) {
	b := newTestbed(t)
	declare := func() {
		set := []tunnel.Declaration{{Ref: tunnel.Ref{Owner: "hello", Name: "default.site"}, Settings: "site"}}
		if err := b.World.As("hello").Declare(t.Context(), "default", set); err != nil {
			t.Error(err)
		}
	}
	r := b.later("config set hello/default site.server=pbx@192.0.2.1 --wait=15s", func() {
		declare()
		b.report("hello/default.site", tunnel.Status{State: tunnel.Up, Mappings: []tunnel.MappingStatus{{Name: "web", State: tunnel.Up}}})
	})
	if r.code != 0 || !strings.Contains(r.err, "hello/default.site  web           ok") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}

func TestConfigSetWithoutServerHasNothingToWaitFor(t *testing.T) {
	b := newTestbed(t)
	began := time.Now()
	r := b.run("", "config", "set", "hello/default", "base=x", "--wait=15s")
	if r.code != 0 || !strings.Contains(r.err, "hello/default names no server: there is no tunnel to wait for") || time.Since(began) > 10*time.Second {
		t.Errorf("exit %d after %s: %s%s", r.code, time.Since(began), r.out, r.err)
	}
}

func TestConfigSetWaitsForADeclaration(t *testing.T) {
	b := newTestbed(t)
	began := time.Now()
	r := b.run("", "config", "set", "hello/default", "site.server=pbx@192.0.2.1", "--wait=400ms")
	if took := time.Since(began); r.code != exitNotUp || took < 400*time.Millisecond {
		t.Errorf("exit %d after %s", r.code, took)
	}
	for _, want := range []string{"module hello has not declared a tunnel for hello/default yet (after 400ms)", "culvert: hint: culvert config show hello/default"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no %q in %s", want, r.err)
		}
	}
}

// Nobody waits for what an operator switched off.
func TestWaitEndsAtOnceWhereItIsSwitchedOff(t *testing.T) {
	b := newTestbed(t)
	b.must("config", "set", "hello/default", "site.server=pbx@192.0.2.1")
	set := []tunnel.Declaration{{Ref: tunnel.Ref{Owner: "hello", Name: "default.site"}, Settings: "site"}}
	if err := b.World.As("hello").Declare(t.Context(), "default", set); err != nil {
		t.Fatal(err)
	}
	b.must("tunnel", "disable", "hello/default.site")
	b.Pin(tunnel.Ref{Owner: "hello", Name: "default.site"}, tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:abc"})
	const tunnelOff, enableTunnel = "hello/default.site is disabled", "culvert: hint: culvert tunnel enable hello/default.site"
	for _, line := range []string{
		"config set hello/default base=x --wait=15s",
		"tunnel restart hello/default.site --wait=15s",
		"tunnel accept-key hello/default.site --wait=15s",
	} {
		b.wantOff(line, tunnelOff, enableTunnel)
	}
	b.must("config", "disable", "hello/default")
	b.wantOff("config set hello/default base=y --wait=15s", "hello/default is disabled", "culvert: hint: culvert config enable hello/default")
	if r := b.run("", "config", "set", "hello/default", "base=z"); r.code != 0 {
		t.Errorf("without a wait: exit %d: %s", r.code, r.err)
	}
}

// wantOff runs a line that must end at once with exit code 3, saying all of that.
func (b testbed) wantOff(line string, wants ...string) {
	b.t.Helper()
	began := time.Now()
	r := b.run("", strings.Fields(line)...)
	if r.code != exitNotUp || time.Since(began) > 10*time.Second {
		b.t.Errorf("%s: exit %d after %s: %s", line, r.code, time.Since(began), r.err)
	}
	for _, want := range wants {
		if !strings.Contains(r.err, want) {
			b.t.Errorf("%s: no %q in %s", line, want, r.err)
		}
	}
}

func TestAcceptKeyShowsBoth(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.Pin(tunnel.Ref{Owner: "hello", Name: "x"}, tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:abc"})
	out := b.must("tunnel", "accept-key", "hello/x")
	for _, want := range []string{"was learned:   ssh-ed25519 SHA256:abc\n", "now confirmed: ssh-ed25519 SHA256:abc\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if r := b.run("", "tunnel", "accept-key", "hello/x", "--fingerprint", "SHA256:abd"); r.code != exitRefused || !strings.Contains(r.err, "SHA256:abd") || !strings.Contains(r.err, "SHA256:abc") {
		t.Errorf("another key: exit %d: %s", r.code, r.err)
	}
}
