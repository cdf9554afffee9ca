package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

var buildFlooder = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(binDir, "plugins")+"/", "./cmd/culvertd/testdata/flooder")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// flooded is a tunnel whose module writes for ever to a service that never reads.
type flooded struct {
	*rig
	sshd *sshdtest.Server
	seen int // when the connection began that was stuck last
}

const flood = "flooder/default.site"

func newFlooded(t *testing.T) *flooded {
	t.Helper()
	if err := buildFlooder(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "flooder")
	f := &flooded{rig: r, sshd: sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})}
	deaf, other := startDeaf(t), startService(t)
	f.must("config", "add", "flooder/default", "--set", server(f.sshd),
		"--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", deaf),
		"--set", fmt.Sprintf("site.slots.spare.spec=:127.0.0.1:%d", other.port))
	f.waitState(flood, "up", 20*time.Second)
	return f
}

// startDeaf starts a service that takes connections and reads nothing of them.
func startDeaf(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// stuck waits until the module could write much to a new connection and then for half a second nothing more.
func (f *flooded) stuck() {
	f.t.Helper()
	path := filepath.Join(f.state, "modules", "flooder", "default", "sent")
	last, since := 0, time.Now()
	eventually(f.t, 30*time.Second, "the module's writing to be stuck", func() error {
		var began, sent int
		text, _ := os.ReadFile(path)
		if _, err := fmt.Sscan(string(text), &began, &sent); err != nil || began <= f.seen {
			return fmt.Errorf("it writes to no new connection: %q", text)
		}
		if sent != last {
			last, since = sent, time.Now()
		}
		if last < 1<<20 || time.Since(since) < 500*time.Millisecond {
			return fmt.Errorf("it wrote %d bytes", last)
		}
		f.seen = began
		return nil
	})
}

// down waits until no connection of the daemon is at the server, which has to be so within two seconds.
func (f *flooded) down() {
	f.t.Helper()
	began := time.Now()
	eventually(f.t, 10*time.Second, "the link to be gone", func() error {
		if n := len(f.sshd.Sessions()); n > 0 {
			return fmt.Errorf("%d connections stand at the server", n)
		}
		return nil
	})
	if took := time.Since(began); took > 2*time.Second {
		f.t.Errorf("the link was gone only after %s", took)
	}
}

// What is no longer wanted is down within two seconds and what is wanted again comes up, whatever a target or a module
// does: here one writes without end to one that never reads.
func TestAStuckRelayHoldsUpNoOrder(t *testing.T) {
	t.Parallel()
	f := newFlooded(t)
	f.stuck()
	f.must("tunnel", "disable", flood)
	f.down()
	f.must("tunnel", "enable", flood)
	f.waitState(flood, "up", 10*time.Second)

	f.stuck()
	f.must("config", "set", "flooder/default", "--set", "site.slots.web.on=false")
	eventually(t, 5*time.Second, "the slot to be gone", func() error {
		v, err := f.tunnel(flood)
		if err == nil && (len(v.Mappings) != 1 || v.State != "up") {
			err = fmt.Errorf("it is %s (%s) with %+v", v.State, v.Reason, v.Mappings)
		}
		return err
	})
	f.must("tunnel", "disable", flood)
	f.down()
	f.must("tunnel", "enable", flood)
	f.must("config", "set", "flooder/default", "--set", "site.slots.web.on=true")
	f.waitState(flood, "up", 20*time.Second)

	f.stuck()
	began := time.Now()
	f.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the daemon took %s to end", took)
	}
	f.down()
}
