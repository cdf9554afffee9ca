package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestMain is the test binary in its three roles: a module's process, a host that gets killed, and the tests.
func TestMain(m *testing.M) {
	switch {
	case wire.Started(os.Getenv):
		sdk.Serve(probe{})
	case os.Getenv("CULVERT_TEST_HOST") != "":
		hostToBeKilled(os.Getenv("CULVERT_TEST_HOST"))
	default:
		goleak.VerifyTestMain(m)
	}
}

// probe is the module the tests start.
type probe struct{}

type probeSettings struct {
	Site sdk.Site   `json:"site" slots:"ldap,status"`
	Mode string     `json:"mode"`
	Bind sdk.Secret `json:"bind_password"`
}

var (
	ldap   = sdk.Slot{Name: "ldap", Title: "Directory", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":636", On: true}
	status = sdk.Slot{Name: "status", Title: "Status", Kinds: []tunnel.Kind{tunnel.Expose}, Spec: ":8080", On: true}
)

func (probe) Describe() sdk.Description {
	return sdk.Description{Name: "probe", Version: "1.0.0", Slots: []sdk.Slot{ldap, status}}
}

func (probe) Run(ctx context.Context, in *sdk.Instance[probeSettings]) error {
	switch in.Settings.Mode {
	case "declare":
		return in.Declare(ctx, in.Settings.Site.Tunnel(ldap))
	case "steal":
		return in.Declare(ctx, tunnel.Declaration{Ref: tunnel.Ref{Owner: "monitoring", Name: "default.site"}, Settings: "site"})
	case "say":
		in.Log.Warn("a line of the log", "bind", in.Settings.Bind, "tunnel", tunnel.Ref{Owner: "probe", Name: "default.site"})
		fmt.Println("a line on standard output")
		return nil
	case "panic":
		panic("at the disco")
	case "crash":
		go func() { panic("at the disco") }()
		select {}
	case "wait":
		if err := os.WriteFile(filepath.Join(in.Dir, "running"), nil, 0o600); err != nil {
			return err
		}
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
		in.Log.Info("cleaning up") // the host may be gone
		return os.WriteFile(filepath.Join(in.Dir, "cleaned"), nil, 0o600)
	}
	return fmt.Errorf("no mode %q", in.Settings.Mode)
}

// host is a small host of one module process.
type host struct {
	client         *plugin.Client
	module         *wire.Module
	stdout, stderr safeBuffer
}

// startModule starts this binary as a module, as the daemon does but for the runner and the sandbox.
func startModule(services wire.HostServices) (*host, error) {
	h := &host{}
	config := &plugin.ClientConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: wire.HostPlugins(), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS: true, SkipHostEnv: true, Cmd: exec.Command(os.Args[0]),
		SyncStdout: &h.stdout, Stderr: &h.stderr, Logger: hclog.NewNullLogger(),
	}
	h.client = plugin.NewClient(config)
	rpc, err := h.client.Client()
	if err == nil {
		h.module, err = wire.Dispense(rpc, config.TLSConfig)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = h.module.Connect(ctx, services)
	}
	return h, err
}

// world has the probe and monitoring, each with one configuration.
func world(t *testing.T) *tunneltest.World {
	t.Helper()
	w := tunneltest.NewWorld()
	d, err := sdk.Plugin(probe{}).Describe()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"probe", "monitoring"} {
		d.Name = name
		ref := tunnel.ConfigurationRef{Module: tunnel.Owner(name), Name: "default"}
		if err := errors.Join(w.AddModule(d), w.Configure(ref, []byte(`{"site":{"server":"site.example"}}`))); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

var ref = tunnel.ConfigurationRef{Module: "probe", Name: "default"}

func (h *host) run(t *testing.T, settings, dir string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return h.module.Run(ctx, ref, json.RawMessage(settings), dir)
}

func (h *host) end() {
	h.client.Kill()
	if h.module != nil {
		h.module.Close()
	}
}

func started(t *testing.T, services wire.HostServices) *host {
	t.Helper()
	h, err := startModule(services)
	t.Cleanup(h.end)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAProcessDeclaresItsOwnAndNothingElse(t *testing.T) {
	w := world(t)
	var refused []tunnel.Ref
	h := started(t, wire.HostServices{
		Owner: "probe", Service: w.As("probe"), Refused: func(_ string, ref tunnel.Ref) { refused = append(refused, ref) },
	})
	if d, err := h.module.Describe(t.Context()); err != nil || d.Name != "probe" || len(d.Slots) != 2 || len(d.Schema) == 0 {
		t.Errorf("it describes itself as %+v, %v", d, err)
	}
	if err := h.run(t, `{"mode":"declare","site":{"server":"site.example"}}`, ""); err != nil {
		t.Fatal(err)
	}
	v, err := w.As("tapi").Get(t.Context(), tunnel.Ref{Owner: "probe", Name: "default.site"})
	if err != nil || len(v.Mappings) != 1 || v.Mappings[0].Slot != "ldap" {
		t.Errorf("everyone sees %+v, %v", v.Mappings, err)
	}
	if err := h.run(t, `{"mode":"steal"}`, ""); !errors.Is(err, tunnel.ErrNotOwner) {
		t.Errorf("declaring monitoring's tunnel is %v", err)
	}
	if len(refused) != 1 || refused[0].Owner != "monitoring" {
		t.Errorf("the host was told of %v", refused)
	}
	if err := h.run(t, `{"mode":"declare"}`, ""); err != nil { // no server any more: nothing declared
		t.Fatal(err)
	}
	if _, err := w.As("tapi").Get(t.Context(), v.Ref); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("the tunnel without a server is %v", err)
	}
}

func TestWhatAModuleSaysReachesItsHost(t *testing.T) {
	h := started(t, wire.HostServices{Owner: "probe", Service: world(t).As("probe")})
	if err := h.run(t, `{"mode":"say","bind_password":"canary"}`, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(h.stdout.String(), "a line on standard output\n") })
	eventually(t, func() bool { return strings.Contains(h.stderr.String(), "a line of the log") })
	for _, want := range []string{`"@level":"warn"`, `"configuration":"default"`, `"bind":"***"`, `"tunnel":"probe/default.site"`} {
		if log := h.stderr.String(); !strings.Contains(log, want) || strings.Contains(log, "canary") {
			t.Errorf("the log lacks %s or holds the secret: %s", want, log)
		}
	}
}

// A panic costs the run that it was in, and no other.
func TestAPanicEndsItsOwnRun(t *testing.T) {
	h, dir := started(t, wire.HostServices{Owner: "probe", Service: world(t).As("probe")}), t.TempDir()
	other := make(chan error, 1)
	go func() {
		other <- h.module.Run(t.Context(), tunnel.ConfigurationRef{Module: "probe", Name: "other"}, []byte(`{"mode":"wait"}`), dir)
	}()
	for range 2 {
		if err := h.run(t, `{"mode":"panic"}`, ""); !errors.Is(err, wire.ErrPanicked) || !strings.Contains(err.Error(), "at the disco") {
			t.Errorf("the run that panicked ends with %v", err)
		}
	}
	eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "running")); return err == nil })
	if err := h.module.Stop(t.Context(), tunnel.ConfigurationRef{Module: "probe", Name: "other"}); err != nil {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Errorf("the other run ends with %v", err)
	}
	eventually(t, func() bool { return strings.Contains(h.stderr.String(), "process_test.go:") })
}

// In a goroutine of the module's own nobody can catch it.
func TestAPanicInAGoroutineEndsEveryRunOfTheProcess(t *testing.T) {
	h := started(t, wire.HostServices{Owner: "probe", Service: world(t).As("probe")})
	other := make(chan error, 1)
	go func() {
		other <- h.module.Run(t.Context(), tunnel.ConfigurationRef{Module: "probe", Name: "other"}, []byte(`{"mode":"wait"}`), t.TempDir())
	}()
	if err := h.run(t, `{"mode":"crash"}`, ""); !errors.Is(err, wire.ErrGone) {
		t.Errorf("the run that panicked ends with %v", err)
	}
	if err := <-other; !errors.Is(err, wire.ErrGone) {
		t.Errorf("the other run ends with %v", err)
	}
	eventually(t, h.client.Exited)
	if log := h.stderr.String(); !strings.Contains(log, "at the disco") {
		t.Errorf("the host is not told why: %s", log)
	}
}

// The host tells a process to end without stopping its runs first: they clean up all the same.
func TestRunsCleanUpWhenTheProcessIsToldToEnd(t *testing.T) {
	h := started(t, wire.HostServices{Owner: "probe", Service: world(t).As("probe")})
	dir := t.TempDir()
	ended := make(chan error, 1)
	go func() { ended <- h.module.Run(t.Context(), ref, []byte(`{"mode":"wait"}`), dir) }()
	eventually(t, exists(dir, "running"))
	h.end()
	if err := <-ended; err == nil {
		t.Error("the run that was cut ends without an error")
	}
	if !exists(dir, "cleaned")() {
		t.Error("it did not clean up")
	}
}

// A module ends by itself when its host is killed, having cleaned up.
func TestAModuleEndsWithItsHost(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CULVERT_TEST_HOST="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	eventually(t, exists(dir, "running"))
	if alive(pid) != true {
		t.Fatal("the module does not run")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, exists(dir, "cleaned"))
	eventually(t, func() bool { return !alive(pid) })
}

// hostToBeKilled starts a module that runs in dir, prints its pid, and waits to be killed.
func hostToBeKilled(dir string) {
	h, err := startModule(wire.HostServices{Owner: "probe", Service: tunneltest.NewWorld().As("probe")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(h.client.ID())
	_ = h.module.Run(context.Background(), ref, []byte(`{"mode":"wait"}`), dir)
}

// alive reports whether the process runs; one that only waits for its parent does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func exists(dir, name string) func() bool {
	return func() bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
}

// eventually waits until f holds.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}

// safeBuffer is a buffer that is written and read at the same time.
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
