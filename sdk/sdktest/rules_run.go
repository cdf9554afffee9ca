package sdktest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of a run in which all is well.

const crashes = "recover where it comes from; a panic takes all configurations of the module with it"

// runs: with settings that fit, and a site that is there, Run does not fail.
func runs(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil {
		return
	}
	tr.c.start()
	tr.settle()
	tr.settle()
	tr.c.stop()
	for _, err := range tr.o.ended() {
		switch {
		case errors.Is(err, errCrash):
			fail(t, crashes, "Run crashed with the settings %s: %v", s.settings, err)
		case errors.Is(err, tunnel.ErrNotOwner): // DeclareOwn says it better
		case err != nil:
			fail(t, "pass settings that it can run with as the last argument; where a site does not answer, try again instead of failing",
				"Run fails with the settings %s: %v", s.settings, err)
		}
		if err != nil {
			return
		}
	}
}

// declaresItsOwn: a module names no tunnel but its own.
func declaresItsOwn(tr *trial) {
	tr.Helper()
	asked, _ := tr.o.sets()
	for _, set := range asked {
		if err := tunnel.CheckDeclared(tr.c.ref.Module, Configuration, set).Err(); err != nil {
			fail(tr, "declare what Site.Tunnel returns and leave its Ref empty: the SDK names it", "Run declares what it may not: %v", err)
			return
		}
	}
}

// declaresOnce: while nothing changes, every Declare of a run states the same set. What one leaves out is withdrawn, so
// a Declare for each site leaves the last one alone.
func declaresOnce(tr *trial) {
	tr.Helper()
	_, sets := tr.o.sets()
	for i, set := range sets {
		if former := sets[max(i-1, 0)]; setText(former) != setText(set) {
			fail(tr, "collect the tunnels of all sites and state them in one Declare: what a set leaves out is withdrawn",
				"Run declares {%s} and then {%s}, though nothing changed", setText(former), setText(set))
			return
		}
	}
}

func setText(set []tunnel.Declaration) string {
	var texts []string
	for _, d := range set {
		slots := slices.Sorted(slices.Values(d.Slots))
		texts = append(texts, strings.TrimSpace(d.Ref.String()+" "+strings.Join(slots, ",")))
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// leavesNothing: a run that has returned holds nothing any more, also after it has failed and was tried again.
func leavesNothing(tr *trial) {
	tr.Helper()
	tr.fault(Cut)
	tr.settle()
	tr.heal()
	tr.stands()
	e := tr.c.stop()
	if e.late {
		tr.Logf("not judged, since Run does not end")
		return
	}
	if e.goroutines != "" {
		fail(tr, "wait for every goroutine before Run returns, with a sync.WaitGroup or errgroup, and end each by Run's context",
			"Run returned and left goroutines behind:\n%s", e.goroutines)
	}
	for _, name := range e.connections {
		fail(tr, "close it with defer where it is dialled", "Run returned and left a connection of %s open", name)
	}
}
