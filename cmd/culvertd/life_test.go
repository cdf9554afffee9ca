package main

import (
	"fmt"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// An operator's change counts although the module sleeps: the host computes the tunnel, not the module.
func TestAChangeCountsWhileTheModuleIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	port := freePort(t)
	r.must("config", "add", "monitoring/default", "--set", server(sshd), "--set", page(port))
	r.waitState(victim, "up", 20*time.Second)
	if len(sshdtest.Bound(t, port)) == 0 {
		t.Fatal("up, but nobody listens at the site")
	}
	pid := r.modules()["monitoring"].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	r.must("config", "set", "monitoring/default", "--set", "site.slots.host.on=false")
	eventually(t, 2*time.Second, "the port at the site to be free", func() error {
		if at := sshdtest.Bound(t, port); len(at) > 0 {
			return fmt.Errorf("still bound on %v", at)
		}
		return nil
	})
}

// server is the setting that leads a site to sshd, logging in as the user of the tests.
func server(s *sshdtest.Server) string {
	return "site.server=root@" + net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// page is the setting that exposes the metrics page of monitoring there: the port it has by default is everybody's.
func page(port int) string { return "site.slots.host.spec=:" + strconv.Itoa(port) }

// All active tunnels come up by themselves after a restart (R60), and a disabled one stays down.
func TestTunnelsComeUpAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, "hello")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	at := "root@" + net.JoinHostPort(sshd.Host, strconv.Itoa(sshd.Port))
	r.must("config", "add", "hello/default")
	svc := startService(t)
	for i := range 5 {
		r.must("tunnel", "add", fmt.Sprintf("hello/t%d", i), "--server", at, "--key", "host",
			"--expose", fmt.Sprintf("%d:%d", svc.port, freePort(t)), "--reach", fmt.Sprintf("%d:127.0.0.1:%d", freePort(t), svc.port))
	}
	r.must("tunnel", "add", "hello/off", "--server", at, "--key", "host", "--disabled")
	for i := range 5 {
		r.waitState(fmt.Sprintf("hello/t%d", i), "up", 20*time.Second)
	}
	r.stop()
	if n := len(sshd.Sessions()); n != 0 {
		t.Errorf("%d sessions outlive the daemon", n)
	}
	r.start()
	for i := range 5 {
		r.waitState(fmt.Sprintf("hello/t%d", i), "up", 20*time.Second)
	}
	r.waitState("hello/off", "disabled", time.Second)
}

// A second daemon on the same state directory is refused within 2 s, and says what to do.
func TestASecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := prepareRig(t)
	other.state = r.state
	began := time.Now()
	code, text := other.tryStart()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took) // 2 s, and the start of a program built with the race detector
	}
	if code != failed {
		t.Errorf("exit %d: %s", code, text)
	}
	for _, want := range []string{"registry", r.state} {
		if !contains(text, want) {
			t.Errorf("%q is not named: %s", want, text)
		}
	}
}
