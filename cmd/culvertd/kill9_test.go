package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// The daemon is killed at random moments under a loop of changes. No change that was acknowledged is lost, the registry
// always opens, and the plugins of the dead daemon are gone within 5 s.
func TestKill9LosesNoAcknowledgedChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, "hello")
	r.must("config", "add", "hello/default")
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	want := map[string]bool{} // acknowledged: there, or removed again
	for round := range long(200, 20) {
		eventually(t, 10*time.Second, "the module to run", func() error {
			if m := r.modules()["hello"]; m.PID == 0 {
				return fmt.Errorf("it is %s", m.State)
			}
			return nil
		})
		pid := r.modules()["hello"].PID
		killed := make(chan struct{})
		cmd := r.cmd
		time.AfterFunc(time.Duration(20+rnd.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill(); close(killed) })
		r.changeUntilDead(round, want)
		<-killed
		r.kill9()
		eventually(t, 5*time.Second, "the dead daemon's module to be gone", func() error { return gone(pid) })
		r.start()
		for name := range r.compare(want) {
			t.Errorf("round %d: an acknowledged change of %s is lost", round, name)
		}
	}
	if len(want) < 20 {
		t.Fatalf("only %d changes were acknowledged", len(want))
	}
}

// changeUntilDead adds tunnels and removes every third again until the daemon does not answer any more.
func (r *rig) changeUntilDead(round int, want map[string]bool) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("hello/t%d-%d", round, i)
		if _, err := r.try("tunnel", "add", name, "--server", "root@127.0.0.1:2", "--key", "host", "--disabled"); err != nil {
			return
		}
		want[name] = true
		if i%3 != 2 {
			continue
		}
		delete(want, name) // until it is known which way it went
		if _, err := r.try("tunnel", "remove", name); err != nil {
			return
		}
		want[name] = false
	}
}

// compare returns what is not as it was acknowledged.
func (r *rig) compare(want map[string]bool) map[string]bool {
	r.t.Helper()
	var all []struct{ Owner, Name string }
	if err := json.Unmarshal([]byte(r.must("tunnel", "list", "-o", "json")), &all); err != nil {
		r.t.Fatal(err)
	}
	have := map[string]bool{}
	for _, t := range all {
		have[t.Owner+"/"+t.Name] = true
	}
	wrong := map[string]bool{}
	for name, there := range want {
		if have[name] != there {
			wrong[name] = true
		}
	}
	return wrong
}

// gone says that a process still lives.
func gone(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || strings.Contains(string(text), "State:\tZ") {
		return nil
	}
	return fmt.Errorf("process %d lives", pid)
}
