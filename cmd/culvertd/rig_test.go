package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
	"github.com/culvert-pbx/culvert/host/porttest"
)

// The tests of this package run the real programs: built once, in processes of their own.
var (
	binDir   string
	buildAll = sync.OnceValue(func() error {
		for _, b := range []struct{ to, pkg, flag string }{
			{binDir, "./cmd/culvertd", "-race"},
			{binDir, "./cmd/culvert", ""},
			{filepath.Join(binDir, "plugins"), "./plugins/monitoring", ""},
			{filepath.Join(binDir, "plugins"), "./plugins/adsync", ""},
			{filepath.Join(binDir, "plugins"), "./examples/hello", ""},
			{filepath.Join(binDir, "plugins"), "./examples/services", ""},
			{filepath.Join(binDir, "plugins"), "./cmd/demo/intruder", ""},
			{filepath.Join(binDir, "plugins"), "./cmd/culvertd/testdata/forger", ""},
			{filepath.Join(binDir, "plugins"), "./cmd/culvertd/testdata/dialer", ""},
			{filepath.Join(binDir, "plugins"), "./cmd/culvertd/testdata/contract", ""},
			{filepath.Join(binDir, "plugins"), "./cmd/culvertd/testdata/prober", ""},
		} {
			args := []string{"build", "-o", b.to + "/"}
			if b.flag != "" {
				args = append(args, b.flag)
			}
			cmd := exec.Command("go", append(args, b.pkg)...)
			cmd.Dir = "../.."
			if b.flag == "" {
				cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("building %s: %w\n%s", b.pkg, err, out)
			}
		}
		return nil
	})
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("/tmp", "culvert-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		defer netbed.ForgetDomain()
		binDir = dir
		if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// rig is one daemon with directories of its own, driven from outside through the CLI.
type rig struct {
	t       *testing.T
	dir     string
	socket  string
	plugins string
	state   string
	env     []string // of the daemon, beside its defaults
	daemon  string   // which build of it, "" for the usual one

	begin func(*exec.Cmd) error // how the daemon is started, nil: as any process

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer
}

// newRig starts a daemon whose plugin directory holds the named modules.
func newRig(t *testing.T, modules ...string) *rig {
	t.Helper()
	r := prepareRig(t, modules...)
	r.start()
	return r
}

func prepareRig(t *testing.T, modules ...string) *rig {
	t.Helper()
	if err := buildAll(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "cv-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, socket: filepath.Join(dir, "s"), plugins: filepath.Join(dir, "p"), state: filepath.Join(dir, "state")}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("daemon log:\n%s", r.logText())
		}
		os.RemoveAll(dir)
	})
	if err := os.Mkdir(r.plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		r.install(m, m)
	}
	write(t, filepath.Join(dir, "culvert.toml"), "allow_own_plugins = true\n")
	return r
}

// install puts a module's binary into the plugin directory, all at once.
func (r *rig) install(binary, name string) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(binDir, "plugins", binary))
	if err != nil {
		r.t.Fatal(err)
	}
	tmp := filepath.Join(r.plugins, name+".new")
	if err := os.WriteFile(tmp, b, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(r.plugins, name)); err != nil {
		r.t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Write collects the daemon's log.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *rig) logText() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *rig) command() *exec.Cmd {
	cmd := exec.Command(filepath.Join(binDir, cmp.Or(r.daemon, "culvertd")), "--config", filepath.Join(r.dir, "culvert.toml"),
		"--state-dir", r.state, "--plugin-dir", r.plugins, "--socket", r.socket, "--log-level", "debug")
	cmd.Stdout, cmd.Stderr = r, r
	cmd.Env = append(os.Environ(), r.env...)
	return cmd
}

// tryStart runs a daemon that is expected to end by itself.
func (r *rig) tryStart() (code int, output string) {
	r.t.Helper()
	cmd := r.command()
	stop := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), r.logText()
}

func (r *rig) start() {
	r.t.Helper()
	r.cmd = r.command()
	if r.begin == nil {
		r.begin = (*exec.Cmd).Start
	}
	if err := r.begin(r.cmd); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	r.done = done
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(done) }(r.cmd)
	eventually(r.t, 20*time.Second, "the daemon to answer", func() error {
		select {
		case <-done:
			return fatal{fmt.Errorf("the daemon ended: %s", r.logText())}
		default:
		}
		_, err := r.try("module", "list", "-o", "json")
		return err
	})
}

// stop ends the daemon as an init system would.
func (r *rig) stop() { r.end(syscall.SIGTERM) }

// kill9 ends the daemon without a chance to clean up.
func (r *rig) kill9() { r.end(syscall.SIGKILL) }

func (r *rig) end(sig os.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(sig)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.done
		r.t.Error("the daemon did not end within 20 s of the signal")
	}
	r.cmd = nil
}

// cli runs the CLI and returns its exit code and output.
func (r *rig) cli(stdin string, args ...string) (code int, stdout, stderr string) {
	cmd := exec.Command(filepath.Join(binDir, "culvert"), append([]string{"--socket", r.socket}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func (r *rig) try(args ...string) (string, error) {
	code, out, errs := r.cli("", args...)
	if code != 0 {
		return out, fmt.Errorf("culvert %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	return out, nil
}

func (r *rig) must(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// tunnelJSON is what the tests read of `tunnel show -o json`.
type tunnelJSON struct {
	Owner, Name, State, Reason, Message, Fingerprint string
	Mappings                                         []mappingJSON
}

type mappingJSON struct {
	Name, State, Reason, Bound string
	ProvedAt                   *time.Time `json:"proved_at"`
}

func (r *rig) tunnel(name string) (tunnelJSON, error) {
	var v tunnelJSON
	out, err := r.try("tunnel", "show", name, "-o", "json")
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(out), &v)
}

func (r *rig) waitState(name, state string, within time.Duration) tunnelJSON {
	r.t.Helper()
	var v tunnelJSON
	eventually(r.t, within, name+" to be "+state, func() error {
		var err error
		if v, err = r.tunnel(name); err == nil && v.State != state {
			err = fmt.Errorf("it is %s (%s): %s %+v", v.State, v.Reason, v.Message, v.Mappings)
		}
		return err
	})
	return v
}

// eventJSON is what the tests read of `events -o json`.
type eventJSON struct {
	Type, Actor, Subject, Reason, Message string
	Fields                                map[string]string
}

func (r *rig) eventList() []eventJSON {
	r.t.Helper()
	var all []eventJSON
	for line := range strings.Lines(r.must("events", "-o", "json")) {
		var e eventJSON
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// moduleJSON is what the tests read of `module list -o json`.
type moduleJSON struct {
	Name, State, Reason, SHA256 string
	PID                         int
}

func (r *rig) modules() map[string]moduleJSON {
	r.t.Helper()
	var all []moduleJSON
	if err := json.Unmarshal([]byte(r.must("module", "list", "-o", "json")), &all); err != nil {
		r.t.Fatal(err)
	}
	out := map[string]moduleJSON{}
	for _, m := range all {
		out[m.Name] = m
	}
	return out
}

// publicKey is the PBX's line for authorized_keys.
func (r *rig) publicKey() string {
	r.t.Helper()
	for line := range strings.Lines(r.must("key", "show")) {
		if strings.HasPrefix(line, "ssh-") {
			return strings.TrimSpace(line)
		}
	}
	r.t.Fatal("key show prints no key")
	return ""
}

func contains(text, want string) bool { return strings.Contains(text, want) }

// fatal is an error after which there is nothing to wait for.
type fatal struct{ error }

// eventually asks until ok returns nil, at most for within; the last error is the test's.
func eventually(t *testing.T, within time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ok()
		if err == nil {
			return
		}
		if errors.As(err, new(fatal)) || time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", within, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func freePort(t *testing.T) int { t.Helper(); return porttest.Free(t) }

// metricsPort is the remote port of the tunnel's first mapping.
func (r *rig) metricsPort(name string) int {
	r.t.Helper()
	var v struct {
		Mappings []struct{ Remote struct{ Port int } }
	}
	if err := json.Unmarshal([]byte(r.must("tunnel", "show", name, "-o", "json")), &v); err != nil {
		r.t.Fatal(err)
	}
	return v.Mappings[0].Remote.Port
}

// fetch gets the metrics page at a local port.
func fetch(port int) (string, error) {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
