package pluginhost

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const by = "operator:7"

// TestWhatIsTakenBackIsToldWithItsEffect: whoever reads the journal finds why a process ended, and whose doing it was.
func TestWhatIsTakenBackIsToldWithItsEffect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.run()
	r.note(c, "started")
	if e := r.Regrant(t.Context(), by, "nobody", "network", true); e.Process != NoProcess {
		t.Errorf("a module that never was: %+v", e)
	}
	was := r.is("hello", Running, "").PID
	e := r.Regrant(t.Context(), by, "hello", "dial 5038", true)
	if e != (Effect{Process: Restarted, Message: "its process was ended, and is started anew without it"}) || alivePid(was) {
		t.Errorf("%+v; process %d alive: %t", e, was, alivePid(was))
	}
	if now := r.is("hello", Running, ""); now.PID == was || now.Restarts != 0 {
		t.Errorf("%+v after %d", now, was)
	}
	want := "dial 5038 was taken back: " + e.Message
	told := r.told(func(e tunnel.Event) bool { return e.Actor == by })
	if len(told) != 1 || told[0].Type != tunnel.ModuleState || told[0].Subject != "hello" || told[0].Message != want || told[0].Fields["process"] != Restarted || told[0].Fields["state"] == "" {
		t.Errorf("told is %+v", told)
	}
	if log := r.logOf("hello"); !strings.Contains(log, "culvertd: "+want) {
		t.Errorf("its log is %s", log)
	}
	r.disable(c)
	r.is("hello", Stopped, "")
	if e := r.Regrant(t.Context(), by, "hello", "network", true); e.Process != NoProcess || e.Message != "no process of it runs: the next one starts without it" {
		t.Errorf("with no process: %+v", e)
	}
}

// TestNothingIsRestartedThatCannotStart: every way to ask for a process gives the same reason for why there is none.
func TestNothingIsRestartedThatCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(r *rig)
		state State
		want  tunnel.Reason
		as    error
	}{
		"gone":     {func(r *rig) { must(t, os.Remove(r.cfg.Dir+"/hello")) }, Failed, tunnel.ModuleMissing, tunnel.ErrNotFound},
		"replaced": {func(r *rig) { r.install("hello", "2.0.0") }, Accept, tunnel.NeedsAcceptance, nil},
		"unsafe":   {func(r *rig) { must(t, os.Chmod(r.install("hello", "2.0.0"), 0o777)) }, Failed, tunnel.BinaryUnsafe, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, ref := tested(t, "well")
			c.spoil(r)
			must(t, r.Look(t.Context()))
			m := r.is("hello", c.state, c.want)
			err := r.Restart("hello")
			var u *Unusable
			if c.as != nil && !errors.Is(err, c.as) || c.as == nil && (!errors.As(err, &u) || u.Reason != c.want || u.Message != m.Message || u.Remedy != m.Remedy) {
				t.Errorf("restart: %v, shown is %+v", err, m)
			}
			steps, _ := r.try(t.Context(), ref, "well")
			if last := steps[len(steps)-1]; !strings.HasPrefix(last, "module failed: ") {
				t.Errorf("test: %q", steps)
			}
			if e := r.Regrant(t.Context(), by, "hello", "network", false); !strings.Contains(e.Message, m.Message) || e.Remedy != m.Remedy {
				t.Errorf("grant: %+v", e)
			}
		})
	}
}
