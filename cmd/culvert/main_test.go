package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestMain makes the test binary the program too, for scripts, and the launcher of modules, for the daemon in them.
func TestMain(m *testing.M) {
	pluginhost.LaunchIfAsked()
	testscript.Main(leakless{m}, map[string]func(){"culvert": main})
}

// leakless fails tests that leave a goroutine.
type leakless struct{ *testing.M }

func (l leakless) Run() int {
	code := l.M.Run()
	// the module host starts every process from one thread that lives as long as its own
	thread := goleak.IgnoreTopFunction("github.com/culvert-pbx/culvert/host/pluginhost.serveSpawns")
	if err := goleak.Find(thread); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// testbed is a daemon with the modules hello, which allows everything and takes settings, and office.
type testbed struct {
	*controltest.Daemon
	t *testing.T
}

func newTestbed(t *testing.T) testbed {
	t.Helper()
	type helloSettings struct {
		Base   string        `json:"base"`
		Number int           `json:"number" min:"1" max:"10"`
		Bind   tunnel.Secret `json:"bind_password"`
		Site   tunnel.Site   `json:"site" slots:"web"`
	}
	schema, err := settings.Schema(reflect.TypeFor[helloSettings]())
	if err != nil {
		t.Fatal(err)
	}
	b := testbed{controltest.Start(t), t}
	b.Module(t, tunnel.Description{Name: "hello", Version: "v1.2.3", Policy: tunnel.Anything, Schema: schema,
		Slots: []tunnel.Slot{{Name: "web", Title: "Web", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":80", On: true}}})
	b.Module(t, tunnel.Description{Name: "office", Version: "v1.0.0", Policy: tunnel.Anything})
	b.must("config", "add", "hello/default")
	return b
}

// result is what one call of the program gave.
type result struct {
	code     int
	out, err string
}

// run runs the program with stdin.
func (b testbed) run(stdin string, args ...string) result {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return runAt(ctx, b.Socket, stdin, args...)
}

func runAt(ctx context.Context, socket, stdin string, args ...string) result {
	var out, errOut safeBuffer
	code := run(ctx, append([]string{"--socket", socket}, args...), strings.NewReader(stdin), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// must runs what must go well and returns its output.
func (b testbed) must(args ...string) string {
	b.t.Helper()
	r := b.run("", args...)
	if r.code != 0 {
		b.t.Fatalf("culvert %s: exit %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// add makes a tunnel with that mapping.
func (b testbed) add(name, reach string) {
	b.t.Helper()
	b.must("tunnel", "add", name, "--server", "pbx@192.0.2.1", "--key", "host", "--reach", reach)
}

// report says how a tunnel is.
func (b testbed) report(name string, s tunnel.Status) {
	b.t.Helper()
	ref, fs := tunnel.ParseRef(name)
	if len(fs) > 0 {
		b.t.Fatal(fs)
	}
	b.World.Report(ref, s)
}

// tunnels are all tunnels as JSON has them.
func (b testbed) tunnels() map[string]control.Tunnel {
	b.t.Helper()
	var all []control.Tunnel
	if err := json.Unmarshal([]byte(b.must("tunnel", "list", "-o", "json")), &all); err != nil {
		b.t.Fatal(err)
	}
	out := map[string]control.Tunnel{}
	for _, t := range all {
		out[t.Ref()] = t
	}
	return out
}

// safeBuffer is read by the test while the program writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
