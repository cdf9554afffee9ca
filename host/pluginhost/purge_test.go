package pluginhost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// remove has the configuration removed with what its module kept.
func (r *rig) remove(c tunnel.ConfigurationRef) {
	r.catalog.change(c, func(run *tunnel.Run) { run.Enabled, run.Gone, run.Purge = false, true, true }, nil)
}

// isPurged waits until nothing of the configuration is left, and sees that it stays so.
func (r *rig) isPurged(c tunnel.ConfigurationRef) {
	r.t.Helper()
	dir := filepath.Join(r.stateDir(c.Module), c.Name)
	gone := func() bool { _, err := os.Lstat(dir); return os.IsNotExist(err) }
	r.eventually(dir+" is gone", gone, func() string { return r.logOf(c.Module) })
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		if !gone() {
			r.t.Errorf("%s is there again", dir)
			return
		}
	}
}

// TestAPurgeEndsTheTest: the operator wants the configuration gone, and a test of it under way ends, leaving nothing,
// whether the module runs beside it or not, and whether it heeds the end or not.
func TestAPurgeEndsTheTest(t *testing.T) {
	t.Parallel()
	for _, beside := range []bool{false, true} {
		for _, do := range []string{"hang", "scribble", "deaf"} {
			if testing.Short() && do == "deaf" {
				continue // it has its grace period
			}
			t.Run(do+map[bool]string{true: " beside a run"}[beside], func(t *testing.T) {
				t.Parallel()
				r, c := tested(t, do)
				if beside {
					r.note(r.configure("hello/other", "run"), "started")
				}
				dials, ended := make(chan bool, 1), make(chan error, 1)
				var last tunnel.TestStep
				go func() {
					ended <- r.Test(t.Context(), c, nil, func(s tunnel.TestStep) {
						if last = s; s.Name == "dial" && s.Outcome == tunnel.StepRunning {
							dials <- true
						}
					})
				}()
				<-dials
				r.remove(c)
				if err := <-ended; err != nil || last.Outcome != tunnel.StepFailed || last.Message != "the configuration was removed meanwhile" {
					t.Errorf("the test is %v, its last step %+v", err, last)
				}
				r.isPurged(c)
				if beside {
					r.is("hello", Running, "")
				} else {
					r.eventually("it is listed with no process", func() bool { return r.Pid("hello") == 0 }, func() string { return r.logOf("hello") })
				}
			})
		}
	}
}

// TestATestAfterAPurgeFindsNothingOfBefore: what is left of a configuration goes before one of the same name is tested.
func TestATestAfterAPurgeFindsNothingOfBefore(t *testing.T) {
	t.Parallel()
	r, c := tested(t, "scribble")
	for range 5 {
		r.catalog.change(c, func(run *tunnel.Run) { run.Purge, run.Gone = true, false }, json.RawMessage(`{"do":"well"}`))
		got, err := r.try(t.Context(), c, "well")
		removed := slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, "failed: "+errRemoved.Error()) })
		if err != nil || len(got) == 0 || !removed && got[len(got)-1] != "dial warning: slow" {
			t.Errorf("%v, %q", err, got)
		}
		r.catalog.change(c, func(run *tunnel.Run) { run.Purge = false }, nil)
	}
}
