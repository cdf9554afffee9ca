package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// killed is a daemon with three modules to be killed, one of which has a tunnel, and connections through that tunnel and
// the operator's.
type killed struct {
	*rig
	lives []*live
	pids  map[string]int // of the modules, when they were last seen to run
}

func newKilled(t *testing.T) *killed {
	t.Helper()
	if err := buildRogue(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "dialer", "hello")
	r.install("rogue", "probe")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	echo, own, reach, expose := startEcho(t), freePort(t), freePort(t), freePort(t)
	address := strings.TrimPrefix(server(sshd), "site.server=")
	r.must("tunnel", "add", "operator/x", "--server", address, "--key", "host",
		"--reach", fmt.Sprintf("%d:127.0.0.1:%d", reach, echo), "--expose", fmt.Sprintf("%d:%d", echo, expose))
	r.must("config", "add", "dialer/default", "--set", server(sshd), "--set", fmt.Sprintf("site.slots.web.spec=%d:127.0.0.1:%d", own, echo))
	r.must("config", "add", "hello/default")
	r.must("config", "add", "probe/default", "--set", "do=probe")
	r.waitState("operator/x", "up", 20*time.Second)
	r.waitState("dialer/default.site", "up", 20*time.Second)
	k := &killed{rig: r, lives: keepAlive(t, own, reach, expose), pids: map[string]int{"dialer": 0, "hello": 0, "probe": 0}}
	k.running()
	return k
}

// running waits until every module runs in another process than before.
func (k *killed) running() {
	k.t.Helper()
	eventually(k.t, time.Minute, "the modules to run", func() error {
		all := k.modules()
		for name, was := range k.pids {
			if m := all[name]; m.State != "running" || m.PID == 0 || m.PID == was {
				return fmt.Errorf("%s is %+v, it was process %d", name, m, was)
			}
		}
		for name := range k.pids {
			k.pids[name] = all[name].PID
		}
		return nil
	})
}

// Modules are killed at random moments while their tunnels and the operator's are used and others are made. No tunnel
// loses a connection or changes its state, each number that went out comes back once, no tunnel is lost or there twice,
// and at first a module runs again within two seconds; ceiling here six.
func TestKilledModulesCostNoConnection(t *testing.T) {
	t.Parallel()
	k := newKilled(t)
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	before := k.changes()
	want := map[string]bool{"operator/x": true, "dialer/default.site": true}
	var took []time.Duration
	for kills := 0; kills < long(500, 51); {
		k.restart() // a restart forgets what came before: each kill is a first one
		k.running()
		var last time.Time
		for name, pid := range k.pids {
			time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond) // the moment is what is random
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatalf("kill %s: %v", name, err)
			}
			last = time.Now()
			kills++
		}
		made := fmt.Sprintf("hello/t%d", kills)
		k.must("tunnel", "add", made, "--server", "root@127.0.0.1:2", "--key", "host", "--disabled")
		want[made] = true
		k.running()
		took = append(took, time.Since(last))
		for _, l := range k.lives {
			if err := l.fine(); err != nil {
				t.Fatalf("after %d kills: %v", kills, err)
			}
		}
	}
	slices.Sort(took)
	t.Logf("all running again after: p50 %v, max %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > 6*time.Second {
		t.Errorf("they run again only after %v", took[len(took)/2])
	}
	if after := k.changes(); after != before {
		t.Errorf("tunnels changed their state %d times", after-before)
	}
	k.same(want)
}

func (k *killed) restart() {
	k.t.Helper()
	for name := range k.pids {
		k.must("module", "restart", name)
	}
}

// changes counts how often a tunnel that is used changed its state.
func (k *killed) changes() (n int) {
	k.t.Helper()
	for _, e := range k.eventList() {
		if e.Type == "tunnel-state" && !strings.HasPrefix(e.Subject, "hello/") {
			n++
		}
	}
	return n
}

// same sees that there are exactly these tunnels, each once.
func (k *killed) same(want map[string]bool) {
	k.t.Helper()
	var all []string
	for line := range strings.Lines(k.must("tunnel", "list")) {
		if name, _, _ := strings.Cut(line, " "); strings.Contains(name, "/") {
			all = append(all, name)
		}
	}
	for _, name := range all {
		if !want[name] {
			k.t.Errorf("%s is there twice, or was never made", name)
		}
		delete(want, name)
	}
	for name := range want {
		k.t.Errorf("%s is lost", name)
	}
}
