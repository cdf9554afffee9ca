package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// newCopyingRig is a rig whose host keeps copies of what was accepted.
func newCopyingRig(t *testing.T) *rig {
	r := newRig(t)
	r.copies.limit = maxCopy
	return r
}

// again is the host of the next daemon: with the directories and the catalog of one that was stopped.
func (r *rig) again() *rig {
	r.t.Helper()
	r.stop()
	next := newRigIn(r.t, filepath.Dir(r.cfg.Dir), r.cfg.SocketDir)
	next.copies.limit = r.copies.limit
	next.catalog.pins, next.catalog.runs, next.catalog.settings = r.catalog.pins, r.catalog.runs, r.catalog.settings
	for ref := range next.catalog.runs {
		next.catalog.change(ref, func(*tunnel.Run) {}, nil)
	}
	return next
}

func (r *rig) copyOf(name string) string { return filepath.Join(r.copies.dir, name) }

// copied waits until there is a copy of the accepted binary.
func (r *rig) copied(name tunnel.Owner) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("there is a copy of %s", name), func() bool {
		m := r.lookup(name)
		if m == nil {
			return false
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.copiedLocked()
	}, func() string { return r.logOf(name) })
}

func TestWhatWasAcceptedRunsOnInTheNextDaemon(t *testing.T) {
	t.Parallel()
	first := newCopyingRig(t).run()
	first.install("hello", "")
	c := first.configure("hello/default", "wait")
	first.note(c, "started")
	first.copied("hello")
	sha := first.catalog.pin("hello")
	first.install("hello", "2.0.0")
	must(t, first.Look(t.Context()))

	r := first.again().run()
	r.reports(c, tunnel.ConfigRunning, "")
	m := r.is("hello", Running, tunnel.NeedsAcceptance)
	if told := r.told(func(e tunnel.Event) bool { return e.Type == tunnel.ModuleState && e.Fields["state"] == string(Accept) }); len(told) > 0 {
		t.Errorf("until its copy was found it was told that %+v", told)
	}
	if m.Version != "1.0.0" || m.SHA256 != sha || m.Pending == nil || m.Remedy != "culvert module accept hello" || !strings.Contains(m.Message, "another binary lies under this name") || !strings.Contains(m.Message, "the accepted one goes on") {
		t.Errorf("it is %+v", m)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", m.PID)); err != nil || exe != r.copyOf("hello") {
		t.Errorf("it runs from %s, %v", exe, err)
	}

	// Its end is followed by another start, and so is a restart.
	must(t, unix.Kill(m.PID, unix.SIGKILL))
	r.eventually("it is started again", func() bool { p := r.Pid("hello"); return p != 0 && p != m.PID }, func() string { return r.logOf("hello") })
	was := r.Pid("hello")
	must(t, r.Restart("hello"))
	r.eventually("it is restarted", func() bool { p := r.Pid("hello"); return p != 0 && p != was }, func() string { return r.logOf("hello") })

	if _, after, err := r.Accept(t.Context(), "operator:0", "hello", false); err != nil || after.Description.Version != "2.0.0" {
		t.Fatalf("Accept: %+v, %v", after, err)
	}
	r.reports(c, tunnel.ConfigRunning, "")
	r.is("hello", Running, "")
	r.copied("hello")
	f, err := r.copies.open(t.Context(), "hello", r.catalog.pin("hello"))
	if err != nil {
		t.Errorf("the copy is not of what was accepted since: %v", err)
	}
	f.Close()
}

// TestWhyTheOtherOneCannotBeUsedIsKnownToTheNextDaemon, and to anybody who asks it, without a try.
func TestWhyTheOtherOneCannotBeUsedIsKnownToTheNextDaemon(t *testing.T) {
	t.Parallel()
	first := newCopyingRig(t).run()
	first.install("hello", "")
	c := first.configure("hello/default", "wait")
	first.note(c, "started")
	first.copied("hello")
	ran := spy(t, first, "hello", "echo no")
	if err := second(first.Accept(t.Context(), "operator:0", "hello", false)); !isUnusable(err, tunnel.BinaryBroken) || !ran() {
		t.Fatalf("Accept: %v", err)
	}
	was := strings.Count(first.logOf("hello"), "it is executed")

	r := first.again().run()
	r.reports(c, tunnel.ConfigRunning, "")
	m := r.is("hello", Running, tunnel.NeedsAcceptance)
	if !strings.Contains(m.Message, `the other one cannot be used: it is not a culvert module: it wrote "no"`) || m.Remedy == "" {
		t.Errorf("it is %+v", m)
	}
	if n := strings.Count(r.logOf("hello"), "it is executed"); n != was {
		t.Errorf("it was tried again unasked, %d times", n-was)
	}
	r.install("hello", "2.0.0") // another one again, of which nothing is known
	r.eventually("what was said of the former one is forgotten", func() bool { return !strings.Contains(r.of("hello").Message, "cannot be used") }, func() string { return r.of("hello").Message })
	must(t, second(r.Accept(t.Context(), "operator:0", "hello", false)))
	if left, _ := filepath.Glob(r.copyOf("*" + refusedSuffix)); len(left) > 0 {
		t.Errorf("left of it: %v", left)
	}
}

// TestAnUnusableFileDoesNotStopTheAcceptedBinary: what lies there is shown, and what was accepted runs.
func TestAnUnusableFileDoesNotStopTheAcceptedBinary(t *testing.T) {
	t.Parallel()
	first := newCopyingRig(t).run()
	path := first.install("hello", "")
	c := first.configure("hello/default", "wait")
	first.note(c, "started")
	first.copied("hello")
	must(t, os.Remove(path))
	write(t, path, "half of an upload", 0o666)

	r := first.again().run()
	r.reports(c, tunnel.ConfigRunning, "")
	if m := r.is("hello", Running, tunnel.BinaryUnsafe); !strings.Contains(m.Message, "writable by others") || !strings.Contains(m.Message, "the accepted one goes on") {
		t.Errorf("it is %+v", m)
	}
	r.disable(c)
	r.is("hello", Failed, tunnel.BinaryUnsafe)
}

func TestACopyGoesWithItsModule(t *testing.T) {
	t.Parallel()
	r := newCopyingRig(t)
	must(t, os.MkdirAll(r.copies.dir, 0o700))
	write(t, r.copyOf("stray"), "x", 0o500)
	write(t, r.copyOf(".new123"), "x", 0o500)
	r.run()
	path := r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	r.copied("hello")
	must(t, os.Remove(path))
	r.reports(c, tunnel.ConfigWaiting, tunnel.ModuleMissing)
	r.eventually("its copy is gone", func() bool {
		left, err := os.ReadDir(r.copies.dir)
		return err == nil && len(left) == 0
	}, func() string { left, err := os.ReadDir(r.copies.dir); return fmt.Sprint(left, err) })

	r.install("hello", "2.0.0") // and nothing of the former one runs now
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	if m := r.of("hello"); !strings.Contains(m.Message, "nothing of it runs, because no copy of the accepted one is left") {
		t.Errorf("it is %+v", m)
	}
}

// TestADamagedCopyIsNotStarted, whoever damaged it and when; and what shows in its place says so.
func TestADamagedCopyIsNotStarted(t *testing.T) {
	t.Parallel()
	first := newCopyingRig(t).run()
	first.install("hello", "")
	c := first.configure("hello/default", "wait")
	first.note(c, "started")
	first.copied("hello")
	first.install("hello", "2.0.0")
	r := first.again().run()
	r.reports(c, tunnel.ConfigRunning, "")
	pid := r.Pid("hello")
	replaceCopy := func() {
		other := filepath.Join(filepath.Dir(r.copyOf("hello")), ".other") // a look removes what is called otherwise
		write(t, other, "#!/bin/sh\necho it is executed >&2\n", 0o500)
		must(t, os.Rename(other, r.copyOf("hello")))
	}
	replaceCopy() // while the daemon knows it for good
	must(t, unix.Kill(pid, unix.SIGKILL))
	m := r.is("hello", Accept, tunnel.NeedsAcceptance)
	if !strings.Contains(m.Message, "nothing of it runs, because no copy of the accepted one is left") {
		t.Errorf("it is %+v", m)
	}
	r = r.again().run()
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	r.reports(c, tunnel.ConfigWaiting, tunnel.NeedsAcceptance)
	if log := r.logOf("hello"); strings.Contains(log, "it is executed") {
		t.Errorf("it was started:\n%s", log)
	}
	r.install("hello", "") // the accepted one is back, and so is its copy
	r.reports(c, tunnel.ConfigRunning, "")
	r.copied("hello")
}

// TestNoCopyIsKeptWithoutRoom: the module runs all the same, and what that means is told beforehand.
func TestNoCopyIsKeptWithoutRoom(t *testing.T) {
	t.Parallel()
	r := newCopyingRig(t)
	r.copies.limit = 1 << 20
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.run()
	r.note(c, "started")
	r.notes("hello", "copy: none could be made of its binary: it has ")
	if left, err := os.ReadDir(r.copies.dir); err != nil || len(left) > 0 {
		t.Errorf("left of it: %v, %v", left, err)
	}
	pid := r.Pid("hello")
	r.install("hello", "2.0.0")
	if m := r.is("hello", Running, tunnel.NeedsAcceptance); m.PID != pid || strings.Contains(m.Message, "goes on") {
		t.Errorf("it is %+v", m)
	}
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.is("hello", Accept, tunnel.NeedsAcceptance)
}

// TestACopyIsNoWayAroundTheSandbox: it was accepted on a machine that confines modules.
func TestACopyIsNoWayAroundTheSandbox(t *testing.T) {
	t.Parallel()
	first := newCopyingRig(t).run()
	first.install("hello", "")
	c := first.configure("hello/default", "wait")
	first.note(c, "started")
	first.copied("hello")
	first.install("hello", "2.0.0")
	r := first.again()
	r.support = sandbox.Support{}
	r.run()
	r.copied("hello")
	r.is("hello", Accept, tunnel.Unsandboxed)
	if r.Pid("hello") != 0 {
		t.Error("it runs unconfined")
	}
	var u *Unusable
	if err := r.Restart("hello"); !errors.As(err, &u) {
		t.Errorf("Restart: %v", err)
	}
}
