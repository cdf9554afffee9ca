package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
)

// sleeper is a process that leads a group, and is no module's.
func sleeper(t *testing.T) int {
	t.Helper()
	c := exec.Command("/bin/sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c.Process.Pid
}

// TestProgramsOfADeadHostAreEndedByTheNext, before it starts anything; and numbers that are another's by then are not.
func TestProgramsOfADeadHostAreEndedByTheNext(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	dir, sockets := t.TempDir(), shortDir(t)
	_, kill := otherHost(t, dir, sockets, ",programs")
	r := newRigIn(t, dir, sockets)
	program, err := strconv.Atoi(r.noteOf("hello", "default", "grandchild"))
	must(t, err)
	t.Cleanup(func() { _ = unix.Kill(program, unix.SIGKILL) })
	group, err := unix.Getpgid(program)
	must(t, err)
	for _, child := range childrenOf(parentOf(group)) {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); strings.Contains(string(line), heirWord) {
			must(t, unix.Kill(child, unix.SIGKILL))
		}
	}
	kill()
	r.eventually("the module is gone", func() bool { return !alivePid(group) }, func() string { return "" })
	if !alivePid(program) {
		t.Fatal("the program ended by itself: the test shows nothing")
	}

	recycled, stranger := sleeper(t), sleeper(t)
	is, _ := procOf(stranger)
	boot, err := bootID()
	must(t, err)
	rolls, err := filepath.Glob(filepath.Join(r.sockets.rolls(), "*"))
	must(t, err)
	old := roll(rolls[0])
	write(t, old.file(recycled), boot+" 1", 0o600)
	write(t, old.file(stranger), fmt.Sprint(boot, " ", is.start), 0o600)
	write(t, old.file(1), boot+" 0", 0o600)
	write(t, filepath.Join(string(old), "odd"), "", 0o600)
	must(t, os.RemoveAll(r.cfg.Dir)) // nothing is started here
	must(t, os.Mkdir(r.cfg.Dir, 0o755))
	must(t, r.prepare())
	if alivePid(program) {
		t.Error("a program lives on")
	}
	if !alivePid(recycled) || !alivePid(stranger) {
		t.Error("somebody else's process was ended")
	}
	if _, err := os.Stat(string(old)); len(rolls) != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rolls %q are left: %v", rolls, err)
	}
}

// TestProgramsEndWithTheHost, though it was killed and no other has come: its heir ends them.
func TestProgramsEndWithTheHost(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	dir, sockets := t.TempDir(), shortDir(t)
	_, kill := otherHost(t, dir, sockets, ",programs")
	r := newRigIn(t, dir, sockets)
	program, err := strconv.Atoi(r.noteOf("hello", "default", "grandchild"))
	must(t, err)
	t.Cleanup(func() { _ = unix.Kill(program, unix.SIGKILL) })
	kill()
	r.eventually("the program is gone", func() bool { return !alivePid(program) }, func() string { return "" })
}

// TestHeirIsReplaced: one that was killed leaves room for another, and a host that ends takes its along.
func TestHeirIsReplaced(t *testing.T) {
	t.Parallel()
	var h heir
	dir := roll(t.TempDir())
	must(t, h.appoint(dir))
	first := h.gone
	must(t, h.appoint(dir))
	if h.gone != first {
		t.Error("there are two")
	}
	for _, child := range childrenOf(os.Getpid()) {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); strings.HasSuffix(string(line), string(dir)+"\x00") {
			must(t, unix.Kill(child, unix.SIGKILL))
		}
	}
	<-first
	must(t, h.appoint(dir))
	h.close()
	h.close()
}

// TestRollIsEmptyWhenNothingRuns: it holds whoever may have programs, and no more.
func TestRollIsEmptyWhenNothingRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.note(c, "started")
	if _, err := os.Stat(r.roll.file(r.Pid("hello"))); err != nil {
		t.Error(err)
	}
	r.stop()
	if left, err := os.ReadDir(string(r.roll)); err != nil || len(left) > 0 {
		t.Errorf("left on the roll: %v, %v", left, err)
	}
}
