package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server whose session stands still while its kernel keeps the connection: nothing of its tunnel is called up or
// proved meanwhile, though the ports on the PBX's side still lead to the daemon, and no target is blamed.
func TestABusyServerProvesNothing(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	stopped, sessions := time.Now(), b.sshd.Sessions()
	for _, pid := range sessions {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	busy := func() error {
		v, err := b.tunnel("operator/x")
		if err == nil && (v.State != "degraded" || v.Reason != "server-busy") {
			err = fmt.Errorf("it is %s (%s): %s", v.State, v.Reason, v.Message)
		}
		for _, m := range v.Mappings {
			switch {
			case err != nil:
			case m.State != "down" || m.Reason != "server-busy":
				err = fmt.Errorf("mapping %+v", m)
			case m.ProvedAt.After(stopped.Add(18 * time.Second)):
				err = fmt.Errorf("%s was proved %s after the server stopped", m.Name, m.ProvedAt.Sub(stopped))
			}
		}
		return err
	}
	eventually(t, 20*time.Second-time.Since(stopped), "the server to be called busy", busy)
	for end := stopped.Add(35 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if err := busy(); err != nil {
			t.Fatalf("%s after the server stopped: %v", time.Since(stopped), err)
		}
	}
	for _, pid := range sessions {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	defer b.explain(time.Now(), sessions)
	b.waitState("operator/x", "up", 10*time.Second)
	b.back(time.Now(), 5*time.Second)
	for _, e := range b.eventList() {
		if e.Reason == "target-unreachable" || e.Reason == "target-refused" {
			t.Errorf("a target was blamed: %+v", e)
		}
	}
}

// explain says after a failure what was known of the link, and what its server's sessions do.
func (b *broken) explain(since time.Time, sessions []int) {
	if !b.t.Failed() {
		return
	}
	b.t.Logf("%s after the sessions %v went on at %s", time.Since(since), sessions, since.Format(time.StampMilli))
	for _, pid := range b.sshd.Sessions() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		b.t.Logf("session %d: %s; waits in %s %v", pid, stat, status, err)
	}
	sockets, _ := exec.Command("ss", "-tnoi", "sport", "=", strconv.Itoa(b.sshd.Port), "or", "dport", "=", strconv.Itoa(b.sshd.Port)).CombinedOutput()
	b.t.Logf("the kernel's view of the connections to the server:\n%s", sockets)
	for _, args := range [][]string{{"tunnel", "show", "operator/x", "-o", "json"}, {"tunnel", "why", "operator/x"}, {"tunnel", "log", "operator/x"}} {
		_, out, _ := b.cli("", args...)
		b.t.Logf("culvert %s:\n%s", strings.Join(args, " "), out)
	}
}
