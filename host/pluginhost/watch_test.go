package pluginhost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestModuleIsEndedWhenItHasTooMuch: of what no limit of a single process holds. It is shown as what it is, and another
// module goes on.
func TestModuleIsEndedWhenItHasTooMuch(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	for _, c := range []struct {
		do   string
		is   bounds
		says string
	}{
		{"threads", bounds{moduleBounds.memory, 32}, "processes and threads, and a module may have 32"},
		{"tables", bounds{512 << 20, sandbox.MaxTasks}, "MiB of memory, and a module may have 512"},
		{"children", bounds{moduleBounds.memory, 100}, "processes and threads, and a module may have 100"},
	} {
		t.Run(c.do, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.bounds = c.is
			r.run()
			r.install("hello", "")
			r.install("other", "")
			r.catalog.grant("hello", "programs")
			o := r.configure("other/default", "wait")
			r.note(o, "started")
			other := r.Pid("other")
			r.configure("hello/default", c.do)
			r.eventually("it is ended for that", func() bool { return strings.Contains(r.logOf("hello"), c.says) }, func() string { return r.logOf("hello") })
			m := r.is("hello", Waiting, tunnel.Crashed)
			if !strings.Contains(m.Message, c.says) {
				t.Errorf("it is %+v", m)
			}
			if r.Pid("other") != other {
				t.Error("the other module was ended too")
			}
		})
	}
}

func TestBoundsOfThisProcess(t *testing.T) {
	t.Parallel()
	if b := boundsOf(os.Getpid()); b.memory < 1<<20 || b.memory > 64<<30 || b.tasks < 2 {
		t.Errorf("this process has %+v", b)
	}
	if b := boundsOf(1 << 30); b != (bounds{}) {
		t.Errorf("no process has %+v", b)
	}
}

// TestModuleIsEndedWhenItMakesTooManySockets: each takes memory of the machine though nobody listens at it any more. The
// next process begins without them.
func TestModuleIsEndedWhenItMakesTooManySockets(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	c := r.configure("hello/default", "sockets "+r.sockets.Listeners("hello"))
	const says = "sockets or more, and a module may make 1024"
	r.eventually("it is ended for that", func() bool { return strings.Contains(r.logOf("hello"), says) }, func() string { return r.logOf("hello") })
	r.is("hello", Waiting, tunnel.Crashed)
	r.configure("hello/default", "wait")
	r.is("hello", Running, "")
	r.reports(c, tunnel.ConfigRunning, "")
	if n := entriesOf(r.sockets.Listeners("hello"), 10); n > 0 {
		t.Errorf("%d sockets are left", n)
	}
}

// TestWireLiesWithTheState: a module can make plain files beside its wire, which must not be in the machine's memory.
func TestWireLiesWithTheState(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	r.install("hello", "")
	r.note(r.configure("hello/default", "wait"), "started")
	wires, err := filepath.Glob(filepath.Join(r.sockets.wire(), "*", "plugin*"))
	must(t, err)
	if len(wires) == 0 {
		t.Fatal("there is no wire")
	}
	if at := lead(wires[0]); !strings.HasPrefix(at, lead(r.cfg.StateDir)+"/") {
		t.Errorf("it lies at %s", at)
	}
}
