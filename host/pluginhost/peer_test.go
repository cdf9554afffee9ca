package pluginhost

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
)

// TestOnlyTheModulesProcessOfNowIsPresent: no other module's, none that it started, and not the one before.
func TestOnlyTheModulesProcessOfNowIsPresent(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	r := newRig(t).run()
	r.install("hello", "")
	r.install("other", "")
	r.catalog.grant("hello", "programs")
	c := r.configure("hello/default", "grandchild here")
	o := r.configure("other/default", "wait")
	child, err := strconv.Atoi(r.note(c, "grandchild"))
	must(t, err)
	r.note(o, "started")
	pid, others := r.Pid("hello"), r.Pid("other")
	for _, c := range []struct {
		who  string
		pid  int
		want bool
	}{{"its process", pid, true}, {"a program of its", child, false}, {"another module's", others, false}, {"the host", os.Getpid(), false}, {"nobody", 0, false}} {
		if got := r.Present("hello", c.pid); got != c.want {
			t.Errorf("%s is present: %v", c.who, got)
		}
	}
	if r.Present("nosuch", pid) {
		t.Error("a module that there is none of is present")
	}
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.eventually("it is not present any more", func() bool { return !r.Present("hello", pid) }, func() string { return "" })
}

// TestPeerIsWhoListens: a socket that is not the module's is told from one that is by who listens at it.
func TestPeerIsWhoListens(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	path := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	c, err := net.Dial("unix", path)
	must(t, err)
	defer c.Close()
	if err := r.CheckPeer("hello", c); err == nil {
		t.Error("this process passes for a module")
	}
	if err := checkPeer(c, "hello", func(pid int) bool { return pid == os.Getpid() }); err != nil {
		t.Error(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := checkPeer(a, "hello", func(int) bool { return true }); err == nil {
		t.Error("a connection without a process passes")
	}
}
