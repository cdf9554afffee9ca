package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/culvert-pbx/culvert/cmd/culvert/skeleton"
	"github.com/culvert-pbx/culvert/host"
	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/porttest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

// TestScripts plays testdata/script: each against a daemon, a site and modules of its own. A script finds
//
//	$SERVER $PORT   the site's SSH server, which knows the daemon's key and the password "open sesame"
//	$SERVICE        the port of a service there, that greets and hangs up
//	$P1 ... $P4     free ports
//	$STATE          the daemon's state directory
//
// and the commands below beside those of testscript.
func TestScripts(t *testing.T) {
	modules := buildModules(t)
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(env *testscript.Env) error { return newStage(env, modules) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"newhostkey": func(ts *testscript.TestScript, _ bool, _ []string) { stageOf(ts).newHostKey(ts) },
			"cut":        func(ts *testscript.TestScript, _ bool, _ []string) { stageOf(ts).site.Cut() },
			"cli":        cli,
			"bare": func(ts *testscript.TestScript, _ bool, _ []string) {
				bare(context.Background(), ts.Getenv("CULVERT_SOCKET"), ts.Fatalf)
			},
			"until": until,
			"names": names,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "packaged" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := os.Stat(skeleton.Installed)
			return err == nil, nil
		},
	})
}

// buildModules builds the modules once.
func buildModules(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := func(args ...string) {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the modules: %v\n%s", err, out)
		}
	}
	build("-o", dir+"/", "./examples/hello", "./plugins/monitoring", "./plugins/adsync", "./cmd/culvert/testdata/working")
	for _, v := range []string{"1", "2"} { // no module is called so
		build("-ldflags=-X main.version="+v+".0.0", "-o", dir+"/asking.v"+v, "./cmd/culvert/testdata/asking")
	}
	return dir
}

// stage is what one script plays on.
type stage struct {
	site *sshtest.Server
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// newStage starts service, daemon and site for one script.
func newStage(env *testscript.Env, modules string) error {
	dir, err := os.MkdirTemp("", "cv")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	plugins := filepath.Join(dir, "plugins")
	if err := os.CopyFS(plugins, os.DirFS(modules)); err != nil {
		return err
	}
	for _, m := range []string{"hello", "monitoring", "adsync", "working", "asking.v1", "asking.v2"} {
		if err := os.Chmod(filepath.Join(plugins, m), 0o755); err != nil {
			return err
		}
	}
	socket := filepath.Join(dir, "s")
	if err := startDaemon(env, dir, plugins, socket); err != nil {
		return err
	}
	client := control.NewClient(socket)
	defer client.Close()
	key, err := client.Key(context.Background())
	if err != nil {
		return err
	}
	site, err := sshtest.Start(sshtest.Options{Password: "open sesame", AuthorizedKeys: []string{key.AuthorizedKey}})
	if err != nil {
		return err
	}
	env.Defer(func() { site.Close() })
	service, err := startService(env)
	if err != nil {
		return err
	}
	env.Setenv("CULVERT_SOCKET", socket)
	env.Setenv("PLUGINS", plugins)
	env.Setenv("STATE", filepath.Join(dir, "state"))
	env.Setenv("SERVER", fmt.Sprintf("pbx@127.0.0.1:%d", site.Port()))
	env.Setenv("FINGERPRINT", site.Fingerprint())
	env.Setenv("PORT", strconv.Itoa(site.Port()))
	env.Setenv("SERVICE", strconv.Itoa(service))
	env.Values[stageKey{}] = &stage{site}
	return freePorts(env)
}

// startDaemon runs a daemon in this process until the script ends.
func startDaemon(env *testscript.Env, dir, plugins, socket string) error {
	c := host.Defaults()
	c.StateDir, c.PluginDir, c.Socket, c.AllowOwnPlugins = filepath.Join(dir, "state"), plugins, socket, true
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	var log safeBuffer
	go func() {
		done <- host.Run(ctx, c, "v0-script", hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug}), sync.OnceFunc(func() { close(ready) }))
	}()
	env.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			env.T().Log("daemon: ", err)
		}
		if tt, ok := env.T().(interface{ Failed() bool }); ok && tt.Failed() {
			env.T().Log(log.String())
		}
	})
	select {
	case <-ready:
		return nil
	case err := <-done:
		done <- err
		return fmt.Errorf("the daemon ended: %w", err)
	case <-time.After(patience):
		return errors.New("the daemon did not start")
	}
}

// startService runs a service that greets whoever comes.
func startService(env *testscript.Env) (port int, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	env.Defer(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "hello from the site")
			c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).Port, nil
}

func freePorts(env *testscript.Env) error {
	for i := range 4 {
		port, err := porttest.Pick()
		if err != nil {
			return err
		}
		env.Setenv(fmt.Sprintf("P%d", i+1), strconv.Itoa(port))
	}
	return nil
}

// newHostKey gives the site another host key, and its clients a reason to come again.
func (s *stage) newHostKey(ts *testscript.TestScript) {
	key, err := sshtest.NewHostKey()
	ts.Check(err)
	s.site.SetHostKey(key)
	s.site.Cut()
}

// cli runs the program in this process: cli [=CODE] [<FILE] ARGS... CODE is the exit code it must have, FILE its
// standard input. (exec culvert runs it in one of its own, which takes far longer.)
func cli(ts *testscript.TestScript, neg bool, args []string) {
	want, stdin := 0, ""
	if code, ok := strings.CutPrefix(args[0], "="); ok {
		n, err := strconv.Atoi(code)
		ts.Check(err)
		want, args = n, args[1:]
	}
	if name, ok := strings.CutPrefix(args[0], "<"); ok {
		stdin, args = ts.ReadFile(name), args[1:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	r := runAt(ctx, ts.Getenv("CULVERT_SOCKET"), stdin, args...)
	fmt.Fprint(ts.Stdout(), r.out)
	fmt.Fprint(ts.Stderr(), r.err)
	if neg || r.code != want {
		ts.Fatalf("exit %d, not %d: %s%s", r.code, want, r.out, r.err)
	}
}

// until runs `culvert ARGS...` until its output holds TEXT: until TEXT ARGS...
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT ARGS...")
	}
	var r result
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r = runAt(context.Background(), ts.Getenv("CULVERT_SOCKET"), "", args[1:]...)
		if strings.Contains(r.out+r.err, args[0]) {
			return
		}
	}
	ts.Fatalf("culvert %s never says %q: %s%s", strings.Join(args[1:], " "), args[0], r.out, r.err)
}

// names checks that every object in the JSON, or JSON lines, that the last command wrote has all these names. A first
// argument that begins with a dot is where the objects are: names .mappings name kind ...
func names(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: names [.PATH] NAME...")
	}
	var at []string
	if path, ok := strings.CutPrefix(args[0], "."); ok {
		at, args = strings.Split(path, "."), args[1:]
	}
	var found []map[string]any
	for d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout"))); d.More(); {
		var v any
		ts.Check(d.Decode(&v))
		found = append(found, descend(v, at)...)
	}
	if len(found) == 0 {
		ts.Fatalf("there is no object at %q", at)
	}
	for _, o := range found {
		for _, name := range args {
			if _, ok := o[name]; !ok {
				ts.Fatalf("no %q in %v", name, o)
			}
		}
	}
}

// descend yields the objects at path below v; arrays are gone through.
func descend(v any, path []string) []map[string]any {
	switch v := v.(type) {
	case []any:
		var all []map[string]any
		for _, e := range v {
			all = append(all, descend(e, path)...)
		}
		return all
	case map[string]any:
		if len(path) == 0 {
			return []map[string]any{v}
		}
		return descend(v[path[0]], path[1:])
	}
	return nil
}
