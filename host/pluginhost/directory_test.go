package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestWhatCannotRunIsListedWithItsReason(t *testing.T) {
	t.Parallel()
	script := func(text string) func(*testing.T, *rig, string) {
		return func(t *testing.T, _ *rig, path string) { write(t, path, text, 0o755) }
	}
	link := func(t *testing.T, r *rig, path string) { r.install(filepath.Base(path), "") }
	for _, c := range []struct {
		name    string // the test plugin goes by it
		put     func(*testing.T, *rig, string)
		reason  tunnel.Reason
		message string
	}{
		{"exits", link, tunnel.BinaryBroken, "it is not a culvert module: it ended without a handshake"},
		{"crashes", link, tunnel.Crashed, "panic: on purpose (exit status 3)"},
		{"killed", link, tunnel.Crashed, "killed by signal SIGKILL"},
		{"hangs", link, tunnel.StartTimeout, "in time"},
		{"slow-describe", link, tunnel.StartTimeout, "in time"},
		{"prints", link, tunnel.BinaryBroken, `it wrote "welcome to \\x1b[31mprints" instead`},
		{"other-contract", link, tunnel.ContractUnsupported, "99"},
		{"foreign-address", link, tunnel.BinaryBroken, "foreign address"},
		{"mute", link, tunnel.StartTimeout, "in time"},
		{"misnamed", link, tunnel.NameMismatch, `calls itself "monitoring"`},
		{"rude", link, tunnel.BinaryBroken, "on purpose"},
		{"operator", link, tunnel.NameMismatch, "built-in owner"},
		{"text", script("just text"), tunnel.BinaryBroken, "exec format error"},
		{"script", script("#!/bin/sh\necho hello\n"), tunnel.BinaryBroken, `it is not a culvert module: it wrote "hello" instead`},
		{"script-that-fails", script("#!/bin/sh\necho; echo hello; exit 1\n"), tunnel.BinaryBroken, `it wrote "hello" instead`},
		{"script-that-stays", script("#!/bin/sh\necho hello\nwhile :; do :; done\n"), tunnel.BinaryBroken, `it wrote "hello" instead`},
		{"script-that-says-why", script("#!/bin/sh\necho no such luck >&2\nexit 1\n"), tunnel.BinaryBroken, `exit status 1; the last it wrote is "no such luck"`},
		{"script-of-one-line", script("#!/bin/sh\nx=" + strings.Repeat("x", 300) + "; while :; do printf $x; done\n"), tunnel.BinaryBroken, `it wrote "` + strings.Repeat("x", maxWords)},
		{"interpreter", script("#!/no/such/interpreter\n"), tunnel.BinaryBroken, "interpreter"},
		{"empty", script(""), tunnel.BinaryBroken, "exec format error"},
		{"plain", func(t *testing.T, _ *rig, path string) { write(t, path, "x", 0o644) }, tunnel.BinaryBroken, "not executable"},
		{"writable", func(t *testing.T, _ *rig, path string) { write(t, path, "x", 0o777) }, tunnel.BinaryUnsafe, "writable by others"},
		{"group", func(t *testing.T, _ *rig, path string) { write(t, path, "x", 0o775) }, tunnel.BinaryUnsafe, "writable by others"},
		{"symlink", func(t *testing.T, _ *rig, path string) { must(t, os.Symlink("/bin/true", path)) }, tunnel.BinaryUnsafe, "symbolic link"},
		{"directory", func(t *testing.T, _ *rig, path string) { must(t, os.Mkdir(path, 0o755)) }, tunnel.BinaryUnsafe, "not a regular file"},
		{"fifo", func(t *testing.T, _ *rig, path string) { must(t, unix.Mkfifo(path, 0o600)) }, tunnel.BinaryUnsafe, "not a regular file"},
		{"socket", func(t *testing.T, _ *rig, path string) { must(t, unix.Mknod(path, unix.S_IFSOCK|0o755, 0)) }, tunnel.BinaryBroken, "cannot be opened"},
		{"huge", func(t *testing.T, _ *rig, path string) {
			write(t, path, "x", 0o755)
			must(t, os.Truncate(path, maxBinary+1)) // sparse: it takes no room
		}, tunnel.BinaryBroken, "more than any module needs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if c.reason == tunnel.StartTimeout {
				r.startTimeout = 3 * time.Second
			}
			c.put(t, r, filepath.Join(r.cfg.Dir, c.name))
			r.run()
			m := r.is(tunnel.Owner(c.name), Failed, c.reason)
			if !strings.Contains(m.Message, c.message) || m.Remedy == "" {
				t.Errorf("message %q, remedy %q", m.Message, m.Remedy)
			}
			if m.PID != 0 || m.SHA256 != "" {
				t.Errorf("%+v", m)
			}
			r.stop()
			if left, _ := filepath.Glob(filepath.Join(r.cfg.SocketDir, "m", ".w", "*")); len(left) > 0 {
				t.Errorf("a failed start left %v", left)
			}
		})
	}
}

func TestBinaryOfAnotherUserIsUnsafe(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	r := newRig(t)
	path := filepath.Join(r.cfg.Dir, "foreign")
	write(t, path, "x", 0o755)
	must(t, os.Chown(path, 12345, -1))
	r.run()
	if m := r.is("foreign", Failed, tunnel.BinaryUnsafe); !strings.Contains(m.Message, "belongs to user 12345") {
		t.Errorf("message %q", m.Message)
	}
}

func TestDeviceIsNoBinary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := unix.Mknod(filepath.Join(r.cfg.Dir, "device"), unix.S_IFCHR|0o755, int(unix.Mkdev(1, 5))); err != nil {
		t.Skipf("devices cannot be made here: %v", err)
	}
	r.run()
	if m := r.is("device", Failed, tunnel.BinaryUnsafe); !strings.Contains(m.Message, "not a regular file") {
		t.Errorf("message %q", m.Message)
	}
}

// TestWhatIsSwappedInIsNeverStarted: while another binary and the accepted one take turns in the directory, and the module
// is started over and over, nothing runs but the accepted one: what is executed is the file that was hashed.
func TestWhatIsSwappedInIsNeverStarted(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	path := r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	mark := filepath.Join(r.stateDir("hello"), "ran") // where its sandbox would let it write
	spy, good := path+".spy", path+".good"
	write(t, spy, "#!/bin/sh\necho >>"+mark+"\n", 0o755)
	must(t, os.Link(path, good))
	var starts int
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); starts++ {
		must(t, unix.Renameat2(unix.AT_FDCWD, spy, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
		if _, err := r.Host.openPinned(t.Context(), "hello", r.catalog.pin("hello")); err == nil {
			t.Fatal("the other binary passes for the accepted one")
		}
		must(t, unix.Renameat2(unix.AT_FDCWD, spy, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
		if pid := r.Pid("hello"); pid != 0 {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone already
		}
		_ = r.Restart("hello") // refused while a look has seen the other one
	}
	must(t, r.Look(t.Context()))
	must(t, r.Restart("hello"))
	r.is("hello", Running, "")
	if _, err := os.Stat(mark); err == nil {
		t.Errorf("the other binary ran, in one of %d turns", starts)
	}
}

func TestOwnBinaryNeedsToBeAllowed(t *testing.T) {
	t.Parallel()
	st := unix.Stat_t{Uid: uint32(os.Geteuid()), Mode: unix.S_IFREG | 0o755}
	if why := (&directory{allowOwn: true}).unsafe(&st); why != "" {
		t.Errorf("allowed, and still it %s", why)
	}
	if why := (&directory{}).unsafe(&st); (why == "") != (os.Getuid() == 0) {
		t.Errorf("not allowed: %q", why)
	}
}

func TestOneBadModuleKeepsNoneFromRunning(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	for _, bad := range []string{"hangs", "crashes", "prints"} {
		r.install(bad, "")
		r.configure(bad+"/default", "wait")
	}
	r.install("hello", "")
	r.reports(r.configure("hello/default", "wait"), tunnel.ConfigRunning, "")
	if m := r.of("hangs"); m.State != Starting {
		t.Errorf("it ran only after the one that hangs was given up: %+v", m)
	}
}

func TestChecksumIsKeptOnlyOfSettledFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(r.cfg.Dir, "hello")
	write(t, path, "#!/bin/true", 0o755)
	must(t, r.Look(context.Background()))
	if _, kept := r.hashes["hello"]; kept {
		t.Error("a file that may still change within one tick of the kernel's clock is taken for settled")
	}
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	id := identityOf(&st)
	id.changed.Sec -= 3
	if !id.settled() {
		t.Error("after 3 s it is not settled")
	}
}

func TestOtherFilesAreIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"hello.new", "README", ".hidden", "Hello", "hello_2", strings.Repeat("a", 41)} {
		write(t, filepath.Join(r.cfg.Dir, name), "x", 0o755)
	}
	must(t, r.Look(context.Background()))
	if m := r.Modules(); len(m) != 0 {
		t.Errorf("listed: %+v", m)
	}
}

func TestNothingStartsFromAnUnsafeDirectory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*testing.T, *rig)
		fine  bool
	}{
		"writable": {spoil: func(t *testing.T, r *rig) { must(t, os.Chmod(r.cfg.Dir, 0o777)) }},
		"symlink": {spoil: func(t *testing.T, r *rig) {
			must(t, os.Rename(r.cfg.Dir, r.cfg.Dir+".real"))
			must(t, os.Symlink(r.cfg.Dir+".real", r.cfg.Dir))
		}},
		"file": {spoil: func(t *testing.T, r *rig) {
			must(t, os.RemoveAll(r.cfg.Dir))
			write(t, r.cfg.Dir, "x", 0o644)
		}},
		"missing": {spoil: func(t *testing.T, r *rig) { must(t, os.RemoveAll(r.cfg.Dir)) }, fine: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.install("hello", "")
			c.spoil(t, r)
			if err := r.Look(context.Background()); (err == nil) != c.fine || err != nil && !strings.Contains(err.Error(), r.cfg.Dir) {
				t.Errorf("Look: %v", err)
			}
			if m := r.Modules(); len(m) != 0 {
				t.Errorf("listed: %+v", m)
			}
		})
	}
}

func TestUnsafeDirectoryEndsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	pid := r.Pid("hello")
	must(t, os.Chmod(r.cfg.Dir, 0o777))
	if err := r.Look(context.Background()); err == nil {
		t.Error("the directory is found safe")
	}
	if m := r.of("hello"); m.PID != pid || m.State != Running {
		t.Errorf("it ended what ran: %+v", m)
	}
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.is("hello", Waiting, tunnel.BinaryUnsafe)
	must(t, os.Chmod(r.cfg.Dir, 0o755))
	r.reports(c, tunnel.ConfigRunning, "")
}

func TestUnsafeBinaryRunsOnUntilItEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	path := filepath.Join(r.cfg.Dir, "hello")
	self, err := os.Executable()
	must(t, err)
	must(t, copyWithVersion(self, path, "1.5.0"))
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	must(t, os.Chmod(path, 0o777))
	m := r.is("hello", Running, tunnel.BinaryUnsafe)
	if err := r.Restart("hello"); !isUnusable(err, tunnel.BinaryUnsafe) {
		t.Errorf("Restart: %v", err)
	}
	if got := r.presentNow(); !slices.Equal(got, []tunnel.Owner{"hello"}) {
		t.Errorf("present: %v", got)
	}
	must(t, unix.Kill(m.PID, unix.SIGKILL))
	r.is("hello", Failed, tunnel.BinaryUnsafe)
	must(t, os.Chmod(path, 0o755))
	r.reports(c, tunnel.ConfigRunning, "")
}

func TestRemovedModuleEndsAndItsConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	path := r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	pid := r.Pid("hello")
	if got := r.presentNow(); !slices.Equal(got, []tunnel.Owner{"hello"}) {
		t.Errorf("present: %v", got)
	}
	must(t, os.Remove(path))
	r.reports(c, tunnel.ConfigWaiting, tunnel.ModuleMissing)
	r.note(c, "stopped")
	r.is("hello", Failed, tunnel.ModuleMissing)
	if alivePid(pid) {
		t.Error("its process lives on")
	}
	if got := r.presentNow(); len(got) != 0 {
		t.Errorf("present: %v", got)
	}
	if err := r.Described(context.Background(), "hello"); err != nil {
		t.Errorf("what it said of itself is still known: %v", err)
	}
	r.install("hello", "")
	r.reports(c, tunnel.ConfigRunning, "")
}

// spy replaces the module's binary by a script that leaves a mark when it is executed, in whatever way.
// A process that no signal reaches stands for one that hangs in the kernel.
func TestProcessThatDoesNotGoIsLeftBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hangs", "")
	ctx := context.Background()
	d, err := openDirectory(r.cfg.Dir, true)
	must(t, err)
	defer d.Close()
	binary, _, err := d.open("hangs")
	must(t, err)
	p := newProcess(ctx, plan{Name: "hangs", Env: pluginEnv, Limit: pluginLimits}, binary, "")
	alive := make(chan bool, 2)
	p.seen, p.log = func(_ int, is bool) { alive <- is }, newModuleLog(newRing(filepath.Join(t.TempDir(), "log")), func(err error) { t.Error(err) })
	defer p.log.ring.close()
	p.killTime = 50 * time.Millisecond
	must(t, p.Start(ctx))
	pid := p.pid()
	p.mu.Lock()
	p.group = 0 // signals go nowhere
	p.mu.Unlock()

	began := time.Now()
	p.stop(10 * time.Millisecond)
	if took := time.Since(began); took < p.killTime || took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := p.Wait(ctx); !errors.Is(err, errLeft) || !alivePid(pid) {
		t.Errorf("it ended: %v", err)
	}
	p.stop(time.Hour) // nobody waits again
	var log strings.Builder
	for line, err := range p.log.ring.lines(ctx, false) {
		must(t, err)
		log.WriteString(line)
	}
	if want := fmt.Sprintf("process %d does not go", pid); !strings.Contains(log.String(), want) {
		t.Errorf("its log says nothing of it: %s", log.String())
	}
	must(t, unix.Kill(pid, unix.SIGKILL))
	if <-alive; <-alive {
		t.Error("its end is not noticed")
	}
	r.eventually("it is reaped", func() bool { return !alivePid(pid) }, func() string { return "" })
}

func TestDescribedWaitsForTheModuleAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	ctx := context.Background()
	if err := r.Described(ctx, "hello"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("not installed: %v", err)
	}
	r.install("hello", "")
	r.install("hangs", "")
	r.install("exits", "")
	must(t, r.Look(ctx))
	if err := r.Described(ctx, "hello"); err != nil {
		t.Errorf("hello: %v", err)
	}
	if err := r.Described(ctx, "exits"); !isUnusable(err, tunnel.BinaryBroken) {
		t.Errorf("exits: %v", err)
	}
	if m := r.of("hangs"); m.State != Starting {
		t.Errorf("it was waited for: %+v", m)
	}
}

func TestRestartForgetsBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	pid := r.Pid("hello")
	must(t, r.Restart("hello"))
	r.eventually("another process runs", func() bool { p := r.Pid("hello"); return p != 0 && p != pid }, func() string { return "" })
	r.reports(c, tunnel.ConfigRunning, "")
	if m := r.of("hello"); m.Restarts != 0 {
		t.Errorf("%+v", m)
	}
	if err := r.Restart("nobody"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("Restart of nobody: %v", err)
	}
}

func TestScriptIsAModuleToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.support = sandbox.Support{} // the script starts another program, which no grant would allow where it lies
	self, err := os.Executable()
	must(t, err)
	write(t, filepath.Join(r.cfg.Dir, "wrapped"), fmt.Sprintf("#!/bin/bash\nexec -a wrapped %s\n", self), 0o755)
	if _, err := exec.LookPath("/bin/bash"); err != nil {
		t.Skip("no /bin/bash here")
	}
	r.run()
	r.trust("wrapped")
	r.is("wrapped", Stopped, "")
}

func (r *rig) presentNow() []tunnel.Owner {
	r.catalog.mu.Lock()
	defer r.catalog.mu.Unlock()
	return r.catalog.present
}

func isUnusable(err error, reason tunnel.Reason) bool {
	var u *Unusable
	return errors.As(err, &u) && u.Reason == reason
}

func isReason(err error, reason tunnel.Reason) bool {
	var u *unusable
	return errors.As(err, &u) && u.reason == reason
}

func replace(t *testing.T, r *rig, name, text string) {
	t.Helper()
	path := filepath.Join(r.cfg.Dir, name)
	write(t, path+".new", text, 0o755)
	must(t, os.Rename(path+".new", path))
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Nobody knows which modules there are before the first look, and everybody does after it, whatever it came to.
func TestLookedWaitsForTheFirstLook(t *testing.T) {
	for name, unsafe := range map[string]bool{"it went well": false, "it failed": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = r.Look(ctx) // which nobody waits for, and which may be cut short: it does not count
			if err := r.Looked(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("before: %v", err)
			}
			if unsafe {
				must(t, os.Chmod(r.cfg.Dir, 0o777))
			}
			if err := r.Look(t.Context()); (err != nil) != unsafe {
				t.Errorf("the look: %v", err)
			}
			must(t, r.Looked(t.Context()))
		})
	}
}
