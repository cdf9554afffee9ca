package pluginhost

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestModuleRunsWhileAConfigurationIsEnabled(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	m := r.is("hello", Stopped, "")
	if m.Version != "1.0.0" || len(m.SHA256) != 64 || m.PID != 0 || m.Sandbox != r.confinement() {
		t.Errorf("after its description: %+v", m)
	}
	if got := r.catalog.by; len(got) != 1 || got[0] != "host" {
		t.Errorf("pinned by %q", got)
	}

	c := r.configure("hello/default", "wait")
	r.reports(c, tunnel.ConfigRunning, "")
	r.note(c, "started")
	m = r.is("hello", Running, "")
	if m.PID == 0 || m.RSS == 0 || r.Pid("hello") != m.PID {
		t.Errorf("running: %+v, Pid %d", m, r.Pid("hello"))
	}
	if owner, ok := r.IsModuleProcess(m.PID); !ok || owner != "hello" {
		t.Errorf("IsModuleProcess(%d) = %s, %v", m.PID, owner, ok)
	}
	if owner, ok := r.IsModuleProcess(os.Getpid()); ok {
		t.Errorf("the host is a process of %s", owner)
	}

	r.disable(c)
	r.reports(c, tunnel.ConfigDisabled, "")
	r.is("hello", Stopped, "")
	r.note(c, "stopped")
	if alivePid(m.PID) {
		t.Errorf("process %d lives on", m.PID)
	}
	if _, ok := r.IsModuleProcess(m.PID); ok {
		t.Error("the ended process still counts as the module's")
	}
}

func TestEachConfigurationIsARunOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	waits, done, fails, collides := r.configure("hello/waits", "wait"), r.configure("hello/done", "done"), r.configure("hello/fails", "fail today"), r.configure("hello/collides", "collide")
	unreadable, invalid := r.configure("hello/unreadable", "unreadable"), r.configure("hello/invalid", "invalid")
	r.reports(waits, tunnel.ConfigRunning, "")
	r.reports(done, tunnel.ConfigDone, "")
	if s := r.reports(fails, tunnel.ConfigFailed, tunnel.RunFailed); s.Message != `no luck with \x1b[31mtoday` {
		t.Errorf("message %q", s.Message)
	}
	r.reports(collides, tunnel.ConfigFailed, "port-collision")
	r.reports(unreadable, tunnel.ConfigFailed, tunnel.SecretUnreadable)
	r.reports(invalid, tunnel.ConfigInvalid, tunnel.SettingsInvalid)
	pid := r.Pid("hello")

	r.configure("hello/done", "wait")
	r.reports(done, tunnel.ConfigRunning, "")
	r.configure("hello/waits", "done")
	r.reports(waits, tunnel.ConfigDone, "")
	r.note(waits, "stopped") // the former run ended cleanly before
	if got := r.Pid("hello"); got != pid {
		t.Errorf("a changed configuration changed the process: %d, was %d", got, pid)
	}
}

func TestFailedRunIsTriedAgainWithBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "fail")
	r.note(c, "tries")
	began := time.Now()
	pid := r.Pid("hello")
	r.eventually("it is tried three times", func() bool { return len(r.note(c, "tries")) >= 3 }, func() string { return r.logOf("hello") })
	if took := time.Since(began); took < 2900*time.Millisecond { // 1 s, then 2 s
		t.Errorf("took %v", took)
	}
	if r.Pid("hello") != pid {
		t.Error("a failed run cost the process")
	}
}

func TestPurgedConfigurationLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c, kept := r.configure("hello/default", "wait"), r.configure("hello/kept", "wait")
	r.note(c, "started")
	r.note(kept, "started")
	gone := func(purge bool) func(*tunnel.Run) {
		return func(run *tunnel.Run) { run.Gone, run.Purge, run.Enabled = true, purge, false }
	}
	r.catalog.change(c, gone(true), nil)
	r.catalog.change(kept, gone(false), nil)
	r.is("hello", Stopped, "")
	r.note(kept, "stopped")
	dir := filepath.Join(r.stateDir("hello"), "default")
	r.eventually("what it kept is gone", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) }, func() string { return "" })
	r.configure("hello/default", "wait")
	r.note(c, "started")
}

func TestEndOfTheHostIsNoNewsOfModules(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.note(r.configure("hello/default", "wait"), "started")
	before := len(r.told(func(tunnel.Event) bool { return true }))
	r.stop()
	if after := r.told(func(tunnel.Event) bool { return true }); len(after) != before {
		t.Errorf("told: %+v", after[before:])
	}
}

func TestRunThatDoesNotStopCostsItsProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	stubborn, other := r.configure("hello/stubborn", "stubborn"), r.configure("hello/other", "wait")
	r.reports(stubborn, tunnel.ConfigRunning, "")
	r.reports(other, tunnel.ConfigRunning, "")
	pid := r.Pid("hello")
	began := time.Now()
	r.disable(stubborn)
	m := r.is("hello", Waiting, tunnel.Crashed)
	if took := time.Since(began); took < stopGrace || took > 3*(stopGrace+termGrace) {
		t.Errorf("took %v\n%s", took, r.logOf("hello"))
	}
	if !strings.Contains(m.Message, "did not end within its grace period") {
		t.Errorf("message %q", m.Message)
	}
	r.eventually("another process runs", func() bool { p := r.Pid("hello"); return p != 0 && p != pid }, func() string { return r.logOf("hello") })
	r.reports(stubborn, tunnel.ConfigDisabled, "")
	r.reports(other, tunnel.ConfigRunning, "")
	r.note(other, "stopped") // it was asked before
}

func TestCrashIsFollowedByAStartWithBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.install("crashy", "")
	calm := r.configure("hello/default", "wait")
	r.reports(calm, tunnel.ConfigRunning, "")
	pid := r.Pid("hello")
	c := r.configure("crashy/default", "crash")
	m := r.is("crashy", Waiting, tunnel.Crashed)
	if !strings.Contains(m.Message, "exit status 3") {
		t.Errorf("message %q", m.Message)
	}
	if s := r.reports(c, tunnel.ConfigWaiting, tunnel.Crashed); s.Message == "" {
		t.Error("the configuration does not say why it waits")
	}
	r.eventually("it is started three times", func() bool { return r.of("crashy").Restarts >= 2 }, func() string { return "" })
	starts := r.told(func(e tunnel.Event) bool {
		return e.Type == tunnel.ModuleState && e.Subject == "crashy" && e.Fields["state"] == "starting" && e.Fields["was"] == "waiting"
	})
	if len(starts) < 2 || starts[1].Time.Sub(starts[0].Time) < 2*time.Second {
		t.Errorf("restarts %v", starts)
	}
	if r.Pid("hello") != pid {
		t.Error("the crash loop cost another module its process")
	}
	// A correction does not wait for the 4 s that are due by now.
	r.is("crashy", Waiting, tunnel.Crashed)
	changed := time.Now()
	r.configure("crashy/default", "wait")
	r.reports(c, tunnel.ConfigRunning, "")
	starts = r.told(func(e tunnel.Event) bool {
		return e.Type == tunnel.ModuleState && e.Subject == "crashy" && e.Fields["state"] == "starting" && e.Time.After(changed)
	})
	if len(starts) != 1 || starts[0].Time.Sub(changed) > 3*time.Second {
		t.Errorf("changed at %v, started %v", changed, starts)
	}
}

// TestACrashIsShownByWhatTheProcessSaid where that tells it, cut and harmless, and by how it ended where it does not.
func TestACrashIsShownByWhatTheProcessSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	for do, want := range map[string]string{
		"panic":    `it ended: panic: at the disco\x1b[31m!!!`,
		"deadlock": "it ended: fatal error: all goroutines are asleep - deadlock! (exit status 2)",
		"crash":    "it ended: exit status 3",
		"kill":     "it ended: SIGABRT: abort (exit status 2)",
	} {
		r.install(do, "")
		c := r.configure(do+"/default", do)
		m := r.is(tunnel.Owner(do), Waiting, tunnel.Crashed)
		if !strings.HasPrefix(m.Message, want) || len(m.Message) > maxWords+50 || !strings.HasPrefix(m.Remedy, "culvert module log "+do) {
			t.Errorf("%s: %q: %q", do, m.Message, m.Remedy)
		}
		if s := r.reports(c, tunnel.ConfigWaiting, tunnel.Crashed); s.Message != m.Message {
			t.Errorf("its configuration says %q", s.Message)
		}
	}
}

// TestALongErrorIsShownCut: in the configuration's status and, with more of it, in the module's log.
func TestALongErrorIsShownCut(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	for name, do := range map[string]string{"at-length": "fail-at-length", "in-many-ways": "fail-in-many-ways"} {
		c := r.configure("hello/"+name, do)
		s := r.reports(c, tunnel.ConfigFailed, tunnel.RunFailed)
		if !strings.HasPrefix(s.Message, "no luck") || strings.ContainsAny(s.Message, "\x1b\n") || len(s.Message) > 510 {
			t.Errorf("%s: its message is %d bytes: %.100q", name, len(s.Message), s.Message)
		}
		var line string
		for _, l := range strings.Split(r.logOf("hello"), "\n") {
			if strings.Contains(l, "configuration "+name+" failed: no luck") {
				line = l
			}
		}
		if len(line) <= len(s.Message) || len(line) > maxLine+100 {
			t.Errorf("%s: its log has %d bytes of it: %.100q", name, len(line), line)
		}
	}
	if m := r.of("hello"); m.State != Running || m.Restarts != 0 {
		t.Errorf("its module is %+v", m)
	}
}

func TestIdentityComesFromTheConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("adsync", "")
	r.install("intruder", "")
	own, foreign := r.configure("adsync/default", "declare"), r.configure("intruder/default", "declare-foreign adsync")
	if said := r.note(own, "said"); said != "<nil>" {
		t.Errorf("own declaration: %s", said)
	}
	if said := r.note(foreign, "said"); !strings.HasPrefix(said, "true not the owner: adsync/default.site belongs to adsync") && !strings.Contains(said, "belongs to adsync") {
		t.Errorf("foreign declaration: %s", said)
	}
	if d := r.declared("adsync"); len(d) != 1 || d[0].Ref.String() != "adsync/default.site" {
		t.Errorf("adsync declared %v", d)
	}
	if d := r.declared("intruder"); len(d) != 0 {
		t.Errorf("intruder declared %v", d)
	}
	refused := r.told(func(e tunnel.Event) bool { return e.Type == tunnel.Refused })
	if len(refused) != 1 || refused[0].Actor != "module:intruder" || refused[0].Subject != "adsync/default.site" || refused[0].Reason != "not-owner" {
		t.Errorf("refused: %+v", refused)
	}
}

func TestNobodyElseIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.note(r.configure("hello/default", "declare"), "said")
	sockets, err := filepath.Glob(filepath.Join(r.sockets.wire(), "*", "plugin*"))
	if err != nil || len(sockets) < 2 {
		t.Fatalf("the module's socket and the host's for it are expected: %v, %v", sockets, err)
	}
	for _, path := range sockets {
		c, err := tls.Dial("unix", path, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // as any process of this user could
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			c.Close()
		}
		if refused := err != nil && (strings.Contains(err.Error(), "certificate") || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)); !refused {
			t.Errorf("%s answers a stranger: %v", path, err)
		}
	}
}

func TestEnvironmentHoldsNothingOfTheHost(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/secret")
	r := newRig(t)
	r.cfg.TimeZone = "Europe/Berlin"
	r.run()
	r.install("hello", "")
	r.note(r.configure("hello/default", "wait"), "started")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.Pid("hello")))
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"CULVERT_MODULE", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_CLIENT_CERT", "PLUGIN_UNIX_SOCKET_DIR",
		"PATH", "LANG", "HOME", "TMPDIR", "TZ",
	}
	seen := map[string]string{}
	for _, v := range strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		seen[name] = value
	}
	for name := range seen {
		if !strings.Contains(" "+strings.Join(allowed, " ")+" ", " "+name+" ") {
			t.Errorf("the environment holds %s", name)
		}
	}
	if seen["TZ"] != "Europe/Berlin" || seen["HOME"] != r.stateDir("hello") {
		t.Errorf("TZ %q, HOME %q", seen["TZ"], seen["HOME"])
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.Pid("hello")))
	if err != nil || string(cmdline) != "hello\x00" {
		t.Errorf("command line %q, %v", cmdline, err)
	}
}

func TestProcessIsLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.note(r.configure("hello/default", "wait"), "started")
	pid := r.Pid("hello")
	for _, l := range []struct {
		name  string
		which int
		want  uint64
	}{
		{"core", unix.RLIMIT_CORE, 0}, {"files", unix.RLIMIT_NOFILE, 1024}, {"file size", unix.RLIMIT_FSIZE, 1 << 30}, {"data", unix.RLIMIT_DATA, 512<<20 + raceMemory},
	} {
		var got unix.Rlimit
		if err := unix.Prlimit(pid, l.which, nil, &got); err != nil {
			t.Fatal(err)
		}
		if got.Max != l.want || got.Cur != l.want {
			t.Errorf("limit %s is %+v, not %d", l.name, got, l.want)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") {
		t.Errorf("it could get new privileges: %v", err)
	}
	if group, err := unix.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d of %d, %v", group, pid, err)
	}
	if stdin, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", pid)); err != nil || stdin != "/dev/null" {
		t.Errorf("standard input %q, %v", stdin, err)
	}
}

func TestStoppedProcessIsKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	pid := r.Pid("hello")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 3*(stopGrace+termGrace) {
		t.Errorf("took %v", took)
	}
	if alivePid(pid) {
		t.Errorf("process %d lives on", pid)
	}
}

func TestGrandchildHoldsNothingUp(t *testing.T) {
	t.Parallel()
	t.Run("of a crash", func(t *testing.T) {
		r := newRig(t)
		r.catalog.grant("hello", "programs")
		r.run()
		r.install("hello", "")
		child, err := strconv.Atoi(r.note(r.configure("hello/default", "grandchild near"), "grandchild"))
		must(t, err)
		must(t, syscall.Kill(r.Pid("hello"), syscall.SIGKILL))
		r.eventually("it ends with its parent", func() bool { return !alivePid(child) }, func() string { return r.logOf("hello") })
	})
	for _, where := range []string{"near", "away"} {
		t.Run(where, func(t *testing.T) {
			r := newRig(t)
			r.catalog.grant("hello", "programs")
			if where == "away" { // which only a machine without a filter lets it go
				r.support.Seccomp = false
			}
			r.run()
			r.install("hello", "")
			c := r.configure("hello/default", "grandchild "+where)
			child, err := strconv.Atoi(r.note(c, "grandchild"))
			if err != nil {
				t.Fatal(err)
			}
			if owner, ok := r.IsModuleProcess(child); ok != (where == "near") || ok && owner != "hello" {
				t.Errorf("IsModuleProcess: %s, %v", owner, ok)
			}
			began := time.Now()
			r.stop()
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("took %v", took)
			}
			if where == "near" && alivePid(child) {
				t.Error("the group's other process lives on")
			}
			_ = syscall.Kill(child, syscall.SIGKILL) // the one that went away: ours to end
		})
	}
}

// hostEnv makes the test binary a host of its own, with what the variable holds: DIR,SOCKETS,LIMIT of open files.
const hostEnv = "CULVERT_TEST_HOST"

// hostUntilKilled runs a module until the process is killed. It prints the module's pid, or why there is none.
func hostUntilKilled(where string) {
	f := strings.Split(where, ",")
	if n, err := strconv.ParseUint(f[2], 10, 64); err == nil {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			fmt.Println(err)
		}
	}
	r := newRigIn(printer{}, f[0], f[1])
	r.install("hangs", "")
	r.install("hello", "")
	do := "wait"
	if len(f) > 3 && f[3] == "programs" {
		do = "grandchild here"
		r.catalog.grant("hello", "programs")
	}
	r.configure("hello/default", do)
	r.run()
	r.eventually("it runs or cannot", func() bool { s := r.of("hello").State; return s == Running || s == Failed }, func() string { return "" })
	if m := r.of("hello"); m.State == Running {
		fmt.Println(m.PID)
	} else {
		fmt.Println(m.Message)
	}
	select {}
}

// otherHost starts the test binary as a host and returns what it prints and how to kill it.
func otherHost(t *testing.T, dir, sockets, limit string) (said string, kill func()) {
	t.Helper()
	host := exec.Command("/proc/self/exe")
	host.Env = append(os.Environ(), hostEnv+"="+dir+","+sockets+","+limit)
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	must(t, err)
	must(t, host.Start())
	kill = sync.OnceFunc(func() {
		_ = host.Process.Kill()
		_ = host.Wait()
	})
	t.Cleanup(kill)
	said, err = bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return strings.TrimSpace(said), kill
}

// printer is a testing.TB for a process without a test.
type printer struct{ testing.TB }

func (printer) Helper()                   {}
func (printer) Cleanup(func())            {}
func (printer) Fatal(a ...any)            { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }
func (printer) Fatalf(f string, a ...any) { fmt.Fprintf(os.Stderr, f+"\n", a...); os.Exit(1) }
func (printer) Errorf(f string, a ...any) { fmt.Fprintf(os.Stderr, f+"\n", a...) }

func TestPluginsDieWithTheHost(t *testing.T) {
	t.Parallel()
	dir, sockets := t.TempDir(), shortDir(t)
	said, kill := otherHost(t, dir, sockets, "")
	pid, err := strconv.Atoi(said)
	must(t, err)
	parent := parentOf(pid)
	pids := childrenOf(parent)
	if len(pids) != 2 {
		t.Fatalf("one that runs and one that hangs, which would not notice by itself, are expected: %v", pids)
	}
	kill()
	began := time.Now()
	for slices.ContainsFunc(pids, alivePid) {
		if time.Since(began) > time.Minute {
			t.Fatal("a plugin lives on")
		}
		time.Sleep(5 * time.Millisecond)
	}

	// The next host clears away what the dead one left.
	left, _ := filepath.Glob(filepath.Join(sockets, "m", ".w", "*"))
	if len(left) == 0 {
		t.Error("a dead host is expected to leave its sockets: the test shows nothing")
	}
	r := newRigIn(t, dir, sockets)
	must(t, os.Remove(filepath.Join(r.cfg.Dir, "hangs")))
	r.run()
	r.is("hello", Stopped, "")
	if left, _ := filepath.Glob(filepath.Join(sockets, "m", ".w", "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestHostWithFewOpenFiles(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{"256": "255", "50": "more than 64: raise LimitNOFILE"} {
		t.Run(limit, func(t *testing.T) {
			said, kill := otherHost(t, t.TempDir(), shortDir(t), limit)
			defer kill()
			got := said
			if pid, err := strconv.Atoi(said); err == nil {
				var l unix.Rlimit
				must(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l))
				got = fmt.Sprint(l.Max)
			}
			if !strings.Contains(got, want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestLogIsARingOfEscapedLines(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "print \x1b[31mred\u202e")
	r.note(c, "started")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := map[string]bool{}
	for line, err := range r.Log(ctx, "hello", true) {
		if err != nil {
			t.Fatalf("%v, seen %v\n%s", err, found, r.logOf("hello"))
		}
		if strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("not escaped: %q", line)
		}
		found["log"] = found["log"] || strings.Contains(line, `\x1b[31mred\u202e configuration=default key="a value"`)
		found["stdout"] = found["stdout"] || strings.HasSuffix(line, `\x1b[31mred\u202e`)
		if found["log"] && found["stdout"] {
			break
		}
	}
	st, err := os.Stat(filepath.Join(r.cfg.StateDir, "modules", "hello.log"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("log file: %v, %v", st.Mode(), err)
	}
}

func TestFloodOfLogIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "flood")
	r.note(c, "started")
	r.eventually("lines are left out", func() bool { return strings.Contains(r.logOf("hello"), "lines were left out") }, func() string { return "" })
	r.disable(c)
	r.is("hello", Stopped, "")
	for _, name := range []string{"hello.log", "hello.log.1"} {
		if st, err := os.Stat(filepath.Join(r.cfg.StateDir, "modules", name)); err == nil && st.Size() > ringSize {
			t.Errorf("%s has %d bytes", name, st.Size())
		}
	}
}

// It is not parallel, so that no other test opens anything meanwhile.
func TestStartsLeakNothing(t *testing.T) {
	r := newRig(t).run()
	r.install("hello", "")
	r.install("exits", "")
	c := r.configure("hello/default", "wait")
	restart := func() {
		pid := r.Pid("hello")
		must(t, r.Restart("hello"))
		r.eventually("another process runs", func() bool { p := r.Pid("hello"); return p != 0 && p != pid }, func() string { return r.logOf("hello") })
		must(t, r.Restart("exits"))
		r.is("exits", Failed, tunnel.BinaryBroken)
	}
	r.reports(c, tunnel.ConfigRunning, "")
	r.is("exits", Failed, tunnel.BinaryBroken)
	restart()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 3 {
		restart()
	}
	r.eventually("files and goroutines are as many as before", func() bool {
		return openFiles(t) <= files && runtime.NumGoroutine() <= goroutines
	}, func() string {
		return fmt.Sprintf("%d files, were %d; %d goroutines, were %d", openFiles(t), files, runtime.NumGoroutine(), goroutines)
	})
	if left, _ := filepath.Glob(filepath.Join(r.sockets.wire(), "*")); len(left) != 1 {
		t.Errorf("one running process has %v", left)
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}
