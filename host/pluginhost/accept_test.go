package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestWhatWasAcceptedIsNotKnownAnyMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog.damaged = errors.New("the record is damaged")
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.run()
	if m := r.is("hello", Accept, tunnel.NeedsAcceptance); !strings.Contains(m.Message, "damaged") {
		t.Errorf("message %q", m.Message)
	}
	if err := r.Described(context.Background(), "hello"); !isUnusable(err, tunnel.NeedsAcceptance) {
		t.Errorf("Described: %v", err)
	}
	before, after, err := r.Accept(context.Background(), "operator:0", "hello", false)
	if err != nil || before.SHA256 != "" || after.Description.Version != "1.0.0" {
		t.Errorf("Accept: %+v, %+v, %v", before, after, err)
	}
	r.reports(c, tunnel.ConfigRunning, "")
}

func TestAnotherBinaryWaitsForAcceptance(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	old := r.is("hello", Running, "")

	r.install("hello", "2.0.0")
	m := r.is("hello", Running, tunnel.NeedsAcceptance)
	if m.PID != old.PID || m.SHA256 != old.SHA256 || m.Version != "1.0.0" || m.Remedy != "culvert module accept hello" {
		t.Errorf("waiting: %+v", m)
	}
	if err := r.Restart("hello"); !isUnusable(err, tunnel.NeedsAcceptance) || r.Pid("hello") != old.PID {
		t.Errorf("Restart: %v", err)
	}
	before, after, err := r.Accept(context.Background(), "operator:0", "hello", false)
	if err != nil {
		t.Fatal(err)
	}
	if before.SHA256 != old.SHA256 || before.Description.Version != "1.0.0" || after.Description.Version != "2.0.0" {
		t.Errorf("accepted %+v for %+v", after, before)
	}
	r.eventually("the new one runs", func() bool { p := r.Pid("hello"); return p != 0 && p != old.PID }, func() string { return "" })
	if m = r.is("hello", Running, ""); m.SHA256 != after.SHA256 || m.Version != "2.0.0" || m.Restarts != 0 {
		t.Errorf("after it: %+v", m)
	}
	r.note(c, "stopped")
	if got := r.catalog.by; !slices.Equal(got, []string{"host", "operator:0"}) {
		t.Errorf("pinned by %q", got)
	}
	if _, _, err := r.Accept(context.Background(), "operator:0", "hello", false); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("accepted twice: %v", err)
	}
}

func TestNothingUnacceptedRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog.pins["hello"] = Binary{SHA256: strings.Repeat("0", 64), Description: tunnel.Description{Name: "hello", Version: "0.9"}}
	c := r.configure("hello/default", "wait")
	r.install("hello", "")
	r.run()
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	r.reports(c, tunnel.ConfigWaiting, tunnel.NeedsAcceptance)
	if r.noted(c, "started") || r.Pid("hello") != 0 {
		t.Error("it ran before it was accepted")
	}
	if _, _, err := r.Accept(context.Background(), "operator:7", "hello", false); err != nil {
		t.Fatal(err)
	}
	r.reports(c, tunnel.ConfigRunning, "")
}

func spy(t *testing.T, r *rig, name, then string) (ran func() bool) {
	t.Helper()
	const mark = "it is executed" // in its log: there is no other place it may write to that stays
	replace(t, r, name, "#!/bin/sh\necho "+mark+" >&2\n"+then+"\n")
	return func() bool { return strings.Contains(r.logOf(tunnel.Owner(name)), mark) }
}

func TestReplacementIsNotExecutedWhileItWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	ran := spy(t, r, "hello", "echo no")
	m := r.is("hello", Running, tunnel.NeedsAcceptance)
	for range 3 {
		must(t, r.Look(context.Background()))
	}
	must(t, unix.Kill(m.PID, unix.SIGKILL))
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	r.disable(c)
	r.reports(c, tunnel.ConfigDisabled, "")
	if err := r.Restart("hello"); !isUnusable(err, tunnel.NeedsAcceptance) {
		t.Errorf("Restart: %v", err)
	}
	r.stop()
	if ran() {
		t.Error("the replacement was executed before anybody accepted it")
	}
}

func TestReplacementShowsWhatItsFileShows(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.is("hello", Stopped, "")
	path := r.install("hello", "2.0.0")
	st, err := os.Stat(path)
	must(t, err)
	p := r.is("hello", Accept, tunnel.NeedsAcceptance).Pending
	if p == nil || p.Described || p.Description.Version != "" || len(p.SHA256) != 64 {
		t.Fatalf("pending: %+v", p)
	}
	if p.Size != st.Size() || p.UID != uint32(os.Geteuid()) || !p.Modified.Equal(st.ModTime().Truncate(0)) {
		t.Errorf("pending: %+v, and the file is %d bytes of %s", p, st.Size(), st.ModTime())
	}
	_, after, err := r.Accept(context.Background(), "operator:0", "hello", false)
	must(t, err)
	if after.SHA256 != p.SHA256 || after.Description.Version != "2.0.0" {
		t.Errorf("accepted %+v", after)
	}
	if m := r.is("hello", Stopped, ""); m.Pending != nil {
		t.Errorf("and still waits: %+v", m.Pending)
	}
}

func TestAcceptTriesAnewEachTime(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.is("hello", Stopped, "")
	replace(t, r, "hello", "#!/bin/sh\necho it is executed >&2\necho no\n")
	for try := 1; try <= 3; try++ {
		if _, _, err := r.Accept(context.Background(), "operator:0", "hello", false); !isUnusable(err, tunnel.BinaryBroken) {
			t.Fatalf("Accept: %v", err)
		}
		if n := strings.Count(r.logOf("hello"), "it is executed"); n != try {
			t.Errorf("after %d times it ran %d times", try, n)
		}
	}
	if m := r.is("hello", Accept, tunnel.NeedsAcceptance); !strings.Contains(m.Message, "cannot be used") {
		t.Errorf("message %q", m.Message)
	}
}

// TestWaitingBinaryThatCrashedSaysSo, and who tries it again: nobody but the operator.
func TestWaitingBinaryThatCrashedSaysSo(t *testing.T) {
	t.Parallel()
	const again = "culvert module accept hello tries it again"
	r := newRig(t).run()
	r.install("hello", "")
	r.is("hello", Stopped, "")
	replace(t, r, "hello", "#!/bin/sh\necho 'panic: on purpose' >&2\nexit 3\n")
	if p := r.is("hello", Accept, tunnel.NeedsAcceptance).Pending; p == nil || p.Problem != "" {
		t.Errorf("before it was started: %+v", p)
	}
	var u *Unusable
	if _, _, err := r.Accept(context.Background(), "operator:0", "hello", false); !errors.As(err, &u) || u.Reason != tunnel.Crashed || !strings.HasSuffix(u.Remedy, again) {
		t.Fatalf("Accept: %+v", err)
	}
	m := r.is("hello", Accept, tunnel.NeedsAcceptance)
	if !strings.HasSuffix(m.Remedy, again) || strings.Contains(m.Remedy, triedAgain) || m.Pending == nil || m.Pending.Described || !strings.Contains(m.Pending.Problem, "panic: on purpose") {
		t.Errorf("%+v, pending %+v", m, m.Pending)
	}
	r.install("hello", "2.0.0")
	r.eventually("yet another one was not started", func() bool { p := r.of("hello").Pending; return p != nil && p.Problem == "" }, func() string { return "" })
}

// TestBinaryThatDescribesItselfHasNothingOfTheModules: nobody has accepted it yet. What it is given is empty, and goes with
// it.
func TestBinaryThatDescribesItselfHasNothingOfTheModules(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	own := filepath.Join(r.stateDir("hello"), "default")
	replace(t, r, "hello", strings.NewReplacer("OWN", own, "LISTENERS", r.sockets.Listeners("hello")).Replace(`#!/bin/sh
for f in $HOME/* $HOME/.[!.]* $TMPDIR/*; do [ -e "$f" ] && echo "finds $f" >&2; done
echo x >$HOME/new && echo "writes to its home" >&2
read x <OWN/started; [ -n "$x" ] && echo "reads the state" >&2
echo x >OWN/new && echo "writes to the state" >&2
echo x >LISTENERS/new && echo "writes to the listeners" >&2
echo "home is $HOME" >&2
echo no
`))
	if _, _, err := r.Accept(t.Context(), "operator:0", "hello", false); !isUnusable(err, tunnel.BinaryBroken) {
		t.Fatalf("Accept: %v", err)
	}
	log := r.logOf("hello")
	for what, want := range map[string]bool{
		"writes to its home": true, "home is " + r.describeDir(): true,
		"finds ": false, "reads the state": false, "writes to the state": false, "writes to the listeners": false,
	} {
		if strings.Contains(log, what) != want {
			t.Errorf("%q: wanted %v:\n%s", what, want, log)
		}
	}
	if left, err := os.ReadDir(r.describeDir()); err != nil || len(left) > 0 {
		t.Errorf("left of it: %v, %v", left, err)
	}
}

func TestAcceptThatIsGivenUpEndsTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.is("hello", Stopped, "")
	ran := spy(t, r, "hello", "while :; do :; done")
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { _, _, err := r.Accept(ctx, "operator:0", "hello", false); failed <- err }()
	r.eventually("it is started", ran, func() string { return r.logOf("hello") })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Accept: %v", err)
	}
	r.eventually("its process is gone", func() bool {
		r.Host.mu.Lock()
		defer r.Host.mu.Unlock()
		return len(r.groups) == 0
	}, func() string { return "" })
	if m := r.of("hello"); m.State != Accept || m.Reason != tunnel.NeedsAcceptance {
		t.Errorf("%+v", m)
	}
}

func TestUselessBinaryIsNotAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	pid := r.Pid("hello")
	replace(t, r, "hello", "#!/bin/sh\necho no\n")
	if _, _, err := r.Accept(context.Background(), "operator:0", "hello", false); !isUnusable(err, tunnel.BinaryBroken) {
		t.Errorf("Accept: %v", err)
	}
	if m := r.is("hello", Running, tunnel.NeedsAcceptance); m.PID != pid {
		t.Errorf("the old process went: %+v", m)
	}
	// Once the old one ends nothing may take its place.
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	r.install("hello", "")
	r.reports(c, tunnel.ConfigRunning, "")
}

func TestSwappedBinaryIsNotExecuted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := context.Background()
	r.install("hello", "")
	d, err := openDirectory(r.cfg.Dir, true)
	must(t, err)
	f, _, err := d.open("hello")
	must(t, err)
	sha, err := hash(ctx, f)
	must(t, err)
	f.Close()
	d.Close()

	// Between look and start: the start notices.
	replace(t, r, "hello", "#!/bin/sh\ntouch "+filepath.Join(r.cfg.Dir, "ran")+"\n")
	if f, err := r.openPinned(ctx, "hello", sha); !isReason(err, tunnel.NeedsAcceptance) {
		t.Errorf("opened %v, %v", f, err)
	}

	// Between hash and exec: what was opened is executed, not what lies there by then.
	r.install("hello", "")
	binary, err := r.openPinned(ctx, "hello", sha)
	must(t, err)
	replace(t, r, "hello", "#!/bin/sh\ntouch "+filepath.Join(r.cfg.Dir, "ran")+"\n")
	p := newProcess(ctx, plan{Name: "hello", Env: pluginEnv, Limit: pluginLimits}, binary, "")
	p.seen, p.log = func(int, bool) {}, newModuleLog(newRing(filepath.Join(t.TempDir(), "log")), func(err error) { t.Error(err) })
	must(t, p.Start(ctx))
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid()))
	self, _ := os.Executable()
	// The link in the directory is gone; the kernel names the file by one of its names or as deleted.
	if err != nil || strings.Contains(exe, "/sh") || strings.Contains(exe, "dash") {
		t.Errorf("executes %s, not %s (%v)", exe, self, err)
	}
	p.stop(0)
	p.log.ring.close()
	if _, err := os.Stat(filepath.Join(r.cfg.Dir, "ran")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the swapped binary ran")
	}
}

func TestNothingRunsUnconfinedWithoutConsent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.support = sandbox.Support{Seccomp: true} // a filter does not hold files
	r.run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	m := r.is("hello", Accept, tunnel.Unsandboxed)
	if !strings.Contains(m.Remedy, "culvert module accept hello --unsandboxed") || m.Sandbox.Level != "none" || m.Sandbox.Message == "" {
		t.Errorf("%+v", m)
	}
	ctx := context.Background()
	for what, err := range map[string]error{
		"Described": r.Described(ctx, "hello"), "Accept": second(r.Accept(ctx, "operator:0", "hello", false)),
	} {
		if !isUnusable(err, tunnel.Unsandboxed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(r.catalog.by) > 0 || r.of("hello").Version != "" {
		t.Error("it was started for its description")
	}

	r.trust("hello")
	r.reports(c, tunnel.ConfigRunning, "")
	pid := r.Pid("hello")
	r.install("hello", "2.0.0") // which nobody trusts yet
	r.is("hello", Running, tunnel.NeedsAcceptance)
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	if err := second(r.Accept(ctx, "operator:0", "hello", false)); !isUnusable(err, tunnel.Unsandboxed) {
		t.Errorf("Accept of the other one: %v", err)
	}
	r.trust("hello")
	r.reports(c, tunnel.ConfigRunning, "")
	if v := r.of("hello").Version; v != "2.0.0" {
		t.Errorf("version %s runs", v)
	}
}

// What was accepted on a machine that confines modules does not run on one that does not.
func TestAcceptanceIsNoConsentToRunUnconfined(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.support = sandbox.Support{}
	path := r.install("hello", "")
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	sha, err := hash(context.Background(), f)
	must(t, err)
	must(t, r.catalog.PinModule(context.Background(), "host", "hello", sha, tunnel.Description{Name: "hello", Version: "1.0.0"}))
	c := r.configure("hello/default", "wait")
	r.run()
	r.is("hello", Accept, tunnel.Unsandboxed)
	if err := r.Restart("hello"); !isUnusable(err, tunnel.Unsandboxed) {
		t.Errorf("Restart: %v", err)
	}
	r.trust("hello")
	r.reports(c, tunnel.ConfigRunning, "")
}

func TestConsentIsNoWayOutOfTheSandbox(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if r.support.Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	r.run()
	r.install("hello", "")
	r.is("hello", Stopped, "")
	if err := second(r.Accept(context.Background(), "operator:0", "hello", true)); !errors.Is(err, tunnel.ErrPolicyRefused) {
		t.Errorf("Accept: %v", err)
	}
}

func second(_, _ Binary, err error) error { return err }
