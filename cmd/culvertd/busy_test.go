package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A server whose session stands still while its kernel keeps the connection: nothing of its tunnel is called up or
// proved meanwhile, though the ports on the PBX's side still lead to the daemon, and no target is blamed.
func TestABusyServerProvesNothing(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	stopped := time.Now()
	for _, pid := range b.sshd.Sessions() {
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
	for _, pid := range b.sshd.Sessions() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	b.waitState("operator/x", "up", 10*time.Second)
	b.back(time.Now(), 5*time.Second)
	for _, e := range b.eventList() {
		if e.Reason == "target-unreachable" || e.Reason == "target-refused" {
			t.Errorf("a target was blamed: %+v", e)
		}
	}
}
