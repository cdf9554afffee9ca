package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

// What one hostile module may cost, with the room that a busy machine needs: the figures are 64 MB and 50 ms.
const (
	maxGrowth = 3 * 64 << 20
	maxTook   = 3 * 50 * time.Millisecond
)

var buildRogue = sync.OnceValue(func() error {
	for _, args := range [][]string{
		{"build", "-o", filepath.Join(binDir, "plugins") + "/", "./cmd/culvertd/testdata/rogue"},
		{"build", "-o", filepath.Join(binDir, "culvertd-plain"), "./cmd/culvertd"}, // memory is measured as it is without -race
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	return nil
})

// besieged is a daemon with a tunnel that is used, a good module that calls all the time, and a place for a rogue.
type besieged struct {
	*rig
	lives []*live
	seen  int // lines of the good module's samples read so far
	quiet time.Duration
}

func newBesieged(t *testing.T) *besieged {
	t.Helper()
	if err := buildRogue(); err != nil {
		t.Fatal(err)
	}
	r := prepareRig(t)
	r.daemon = "culvertd-plain"
	r.install("rogue", "probe")
	r.start()
	site, err := sshtest.Start(sshtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	echo, reach, expose := startEcho(t), freePort(t), freePort(t)
	r.must("tunnel", "add", "operator/x", "--server", "pbx@"+site.Addr(), "--key", "host",
		"--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", reach, echo), "--expose", fmt.Sprintf("e=%d:%d", echo, expose))
	for i := range 200 {
		r.must("tunnel", "add", fmt.Sprintf("operator/idle%d", i), "--server", "pbx@127.0.0.1:1", "--key", "host", "--disabled")
	}
	r.waitState("operator/x", "up", 20*time.Second)
	b := &besieged{rig: r, lives: keepAlive(t, reach, expose)}
	r.must("config", "add", "probe/default", "--set", "do=probe")
	b.samples(100)
	b.quiet = p99(b.samples(100))
	return b
}

// samples waits until the good module has had n answers more and returns how long they took.
func (b *besieged) samples(n int) (took []time.Duration) {
	b.t.Helper()
	path := filepath.Join(b.state, "modules", "probe", "default", "took")
	eventually(b.t, time.Minute, "the answers to the good module", func() error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := strings.Fields(string(text[:bytes.LastIndexByte(text, '\n')+1]))
		if len(lines) < b.seen+n {
			return fmt.Errorf("it had %d since", len(lines)-b.seen)
		}
		for _, line := range lines[b.seen:] {
			us, err := strconv.Atoi(line)
			if err != nil {
				return err
			}
			took = append(took, time.Duration(us)*time.Microsecond)
		}
		b.seen = len(lines)
		return nil
	})
	return took
}

func p99(took []time.Duration) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[(len(took)-1)*99/100]
}

// resident is the daemon's memory.
func (b *besieged) resident() int64 {
	b.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// peak is the daemon's largest memory over a time.
func (b *besieged) peak(over time.Duration) (most int64) {
	for end := time.Now().Add(over); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		most = max(most, b.resident())
	}
	return most
}

// shown is the module as `module list` shows it.
func (b *besieged) shown(name string) (m shownModule, err error) {
	out, err := b.try("module", "list", "-o", "json")
	if err != nil {
		return m, err
	}
	var all []shownModule
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return m, err
	}
	i := slices.IndexFunc(all, func(m shownModule) bool { return m.Name == name })
	if i < 0 {
		return m, fmt.Errorf("no module %s", name)
	}
	return all[i], nil
}

type shownModule struct {
	Name, State, Reason, Message string
	PID, Restarts                int
}

// TestARogueModuleCostsTheOthersNothing lets a module do its worst, one thing after another. The host's memory stays
// bounded, the calls of another module stay fast, the module is shown as what it is, the tunnel does not change state and
// its connections work on. It does not run beside other tests, for it measures times.
func TestARogueModuleCostsTheOthersNothing(t *testing.T) {
	b := newBesieged(t)
	began := b.resident()
	t.Logf("at rest: %d MB, p99 %v", began>>20, b.quiet)
	before := b.changes()
	for _, c := range []struct {
		do            string
		state, reason string // how it is shown while it does that; "" where it is restarted meanwhile
		says          string // part of its message
	}{
		{"crash", "", "crashed", "exit status 3"},
		{"memory", "", "crashed", ""},
		{"hang", "running", "", ""},
		{"answer", "running", "", ""},
		{"descriptors", "running", "", ""},
		{"programs", "running", "", ""},
		{"stderr", "running", "", ""},
		{"stdout", "running", "", ""},
		{"big", "running", "", ""},
		{"crowd", "running", "", ""},
		{"utf8", "running", "", ""},
		{"declare", "running", "", ""},
		{"headers", "running", "", ""},
		{"streams", "running", "", ""},
		{"lists", "running", "", ""},
		{"watches", "running", "", ""},
		{"connections", "running", "", ""},
	} {
		t.Run(c.do, func(t *testing.T) {
			b := &besieged{rig: b.on(t), lives: b.lives, seen: b.seen, quiet: b.quiet}
			b.install("rogue", "rogue")
			b.must("config", "add", "rogue/default", "--set", "do="+c.do)
			dir := filepath.Join(b.state, "modules", "rogue", "default")
			eventually(t, 30*time.Second, "the rogue to begin", func() error { _, err := os.Stat(filepath.Join(dir, "begun")); return err })
			b.samples(0)
			most := b.peak(time.Duration(long(20, 2)) * time.Second)
			calls := b.samples(20)
			took := p99(calls)
			if !soak() { // beside other tests the slowest calls tell of those
				took = slices.Sorted(slices.Values(calls))[len(calls)/2]
			}
			eventually(t, 30*time.Second, "the rogue to be shown as it is", func() error {
				m, err := b.shown("rogue")
				if err == nil && (m.Reason != c.reason || c.state != "" && m.State != c.state || !strings.Contains(m.Message, c.says)) {
					err = fmt.Errorf("it is %+v", m)
				}
				return err
			})
			answer, _ := os.ReadFile(filepath.Join(dir, "answer"))
			t.Logf("%d MB more, p99 %v, answered %.200q", (most-began)>>20, p99(calls), answer)
			if most > began+maxGrowth {
				t.Errorf("the host grew by %d MB", (most-began)>>20)
			}
			if took > max(maxTook, 3*b.quiet) {
				t.Errorf("another module's calls took %v, before it was %v", took, b.quiet)
			}
			for _, l := range b.lives {
				if err := l.fine(); err != nil {
					t.Error(err)
				}
			}
			b.must("config", "remove", "rogue/default", "--purge")
			eventually(t, 20*time.Second, "the rogue to be gone", func() error {
				m, err := b.shown("rogue")
				if err == nil && m.PID != 0 {
					err = fmt.Errorf("it is %+v", m)
				}
				return err
			})
		})
	}
	if after := b.changes(); after != before {
		t.Errorf("the tunnel changed its state %d times", after-before)
	}
}

// changes counts how often the tunnel changed its state.
func (b *besieged) changes() (n int) {
	b.t.Helper()
	for _, e := range b.eventList() {
		if e.Type == "tunnel-state" && strings.HasPrefix(e.Subject, "operator/x") {
			n++
		}
	}
	return n
}

// on is the rig for a part of its test.
func (r *rig) on(t *testing.T) *rig {
	return &rig{t: t, dir: r.dir, socket: r.socket, plugins: r.plugins, state: r.state, cmd: r.cmd}
}
