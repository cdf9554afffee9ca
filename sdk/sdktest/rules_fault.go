package sdktest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of faults: a module outlives what goes wrong, and works again when all is well.

var (
	loginRefused  = Deny(tunnel.LoginRefused)
	targetRefused = Deny(tunnel.TargetRefused)
	slow          = Slow(250 * time.Millisecond)
)

// told is the fault as the half of a sentence.
func (f Fault) told() string {
	switch {
	case f.frozen:
		return "the link let nothing through"
	case f.delay > 0:
		return fmt.Sprintf("each write took %v", f.delay)
	case f.state == "":
		return "all was well"
	}
	return fmt.Sprintf("its tunnel was %s (%s)", f.state, f.reason)
}

// survives: a fault is nothing that ends the work of a module for good.
func survives(f Fault) func(*trial) judgement {
	return func(tr *trial) (j judgement) {
		tr.Helper()
		if j := tr.ofTunnels(); j.verdict != judged {
			return j
		}
		done, listening, set := tr.o.done(), tr.w.sites.listening(tr.c.ref.Name), tr.declared()
		tr.fault(f)
		tr.settle()
		tr.heal()
		tr.stayed("while "+f.told(), done, set)
		missing := func() []string {
			now := tr.w.sites.listening(tr.c.ref.Name)
			return slices.DeleteFunc(slices.Clone(listening), func(key string) bool { return slices.Contains(now, key) })
		}
		if !tr.until(func() bool { return len(missing()) == 0 }) {
			tr.fail("leave a listener open while the link is gone: who connects afterwards arrives there", "it does not listen for %v any more since %s", missing(), f.told())
		}
		return j
	}
}

// ofTunnels is what a rule of what happens to tunnels could judge.
func (tr *trial) ofTunnels() judgement {
	asked, _ := tr.o.sets()
	switch _, _, watches := tr.o.waits(); {
	case len(tr.declared()) > 0, watches > 0:
		return judgement{}
	case tr.hasSites():
		return tr.ofDeclarations(asked)
	}
	return notApplicable("Run has no tunnel, and watches none")
}

// stayed judges whether the module is at work as it was before something happened.
func (tr *trial) stayed(when string, wasDone bool, set []string) {
	tr.Helper()
	stands := tr.stands()
	for _, err := range tr.o.ended() {
		if errors.Is(err, errCrash) {
			tr.fail(crashes, "Run crashed %s: %v", when, err)
			return
		}
	}
	switch gone := tr.withdrawn(set); {
	case tr.o.done() && !wasDone:
		tr.fail("try again, or return the error: then the host runs it again; nil says that there is no more to do until the settings change",
			"Run returned nil %s", when)
	case !stands:
		tr.fail("an error that Run returns has it run again from the start: see why that fails too, in its log", "Run fails again and again since it failed %s: %v", when, tr.o.ended())
	case len(gone) > 0:
		tr.fail("a tunnel that does not work now is still wanted: leave it declared, the host brings it up again",
			"it withdrew or changed %v %s", gone, when)
	}
}

// standsSlowness: slow is no fault, also not from the start.
func standsSlowness(tr *trial) (j judgement) {
	tr.Helper()
	if j := tr.ofTunnels(); j.verdict != judged {
		return j
	}
	tr.c.stop()
	ended := len(tr.o.ended())
	tr.fault(slow)
	tr.c.start()
	for range 4 {
		tr.settle()
	}
	time.Sleep(2 * slow.delay)
	tr.c.stop()
	for _, err := range tr.newAttempts(ended) {
		if err != nil {
			tr.fail("give deadlines of some seconds at least: a site may be behind a slow line", "Run fails %s: %v", "when "+slow.told(), err)
			return j
		}
	}
	return j
}

// takesResync: a watch that fell behind says so and begins anew; nothing is wrong then.
func takesResync(tr *trial) (j judgement) {
	tr.Helper()
	if _, _, watches := tr.o.waits(); watches == 0 {
		return notApplicable("Run does not watch the tunnels")
	}
	done, ended := tr.o.done(), len(tr.o.ended())
	for range 3 {
		tr.w.FallBehind()
		tr.settle()
		tr.heal()
		tr.settle()
	}
	for _, err := range tr.newAttempts(ended) {
		if err != nil || !done {
			tr.fail("on tunnel.Resync forget what you know: all tunnels follow as tunnel.Present, then tunnel.Synced",
				"Run ended when its watch fell behind, with %v", err)
			return j
		}
	}
	return j
}
