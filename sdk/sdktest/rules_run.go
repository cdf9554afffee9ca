package sdktest

import (
	"errors"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of a run in which all is well.

const crashes = "recover where it comes from; a panic takes all configurations of the module with it"

// runs: with settings that fit, and a site that is there, Run does not fail.
func runs(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	tr.c.start()
	tr.settle()
	tr.settle()
	tr.c.stop()
	for _, err := range tr.o.ended() {
		switch {
		case errors.Is(err, errCrash):
			tr.fail(crashes, "Run crashed with the settings %s: %v", tr.settings(), err)
		case errors.Is(err, tunnel.ErrNotOwner): // DeclareOwn says it better
		case err != nil:
			tr.fail("give Conformance settings that it can run with, and what it was granted and talks to; where a site does not answer, try again instead of failing",
				"Run fails with the settings %s: %v", tr.settings(), err)
		}
		if err != nil {
			return j
		}
	}
	if !tr.o.everCalled() && tr.asksForAnything() {
		return notJudged("with the settings %s Run asks nothing of the host", tr.settings())
	}
	return j
}

// runsConfined: what fails in the sandbox alone wants a grant, or its own directory.
func runsConfined(b *bench, s subject) (j judgement) {
	b.Helper()
	switch {
	case !s.apart:
		return notApplicable("the module runs in the test's own process: see ConformanceBinary")
	case s.with.culvertd == "":
		return notJudged("no culvertd is in PATH to confine the module: give one by sdktest.Confined")
	}
	j, inside := s.firstError(b)
	if j.verdict != judged || inside == nil {
		return j
	}
	s.open = s.bare
	j, outside := s.firstError(b)
	if j.verdict == judged && outside == nil {
		b.fail("keep files in Instance.Dir, reach what is outside through the host, or ask for a grant in Describe and give it here by sdktest.Grant",
			"Run fails in the sandbox, and not without it: %v", inside)
	}
	return j
}

// firstError is what Run fails with first, nil where it does not fail.
func (s subject) firstError(b *bench) (j judgement, err error) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j, nil
	}
	tr.c.start()
	tr.settle()
	tr.settle()
	tr.c.stop()
	for _, err := range tr.o.ended() {
		if err != nil {
			return j, err
		}
	}
	return j, nil
}

// asksForAnything reports whether the description speaks of anything that the host does for the module.
func (tr *trial) asksForAnything() bool {
	d := tr.w.said
	return len(d.Slots)+len(d.Grants) > 0 || tr.hasSites()
}

// declaresItsOwn: a module names no tunnel but its own.
func declaresItsOwn(tr *trial) (j judgement) {
	tr.Helper()
	asked, _ := tr.o.sets()
	if err := tr.foreign(asked); err != nil {
		tr.fail("declare what Site.Tunnel returns and leave its Ref empty: the SDK names it", "Run declares what it may not: %v", err)
		return j
	}
	return tr.ofDeclarations(asked)
}

// foreign is what is wrong with a set that holds more than the configuration's own.
func (tr *trial) foreign(sets [][]tunnel.Declaration) error {
	for _, set := range sets {
		if err := tunnel.CheckDeclared(tr.c.ref.Module, tr.c.ref.Name, set).Err(); err != nil {
			return err
		}
	}
	return nil
}

// ofDeclarations is what a rule of declarations could judge, where these were declared.
func (tr *trial) ofDeclarations(sets [][]tunnel.Declaration) judgement {
	none := len(slices.Concat(sets...)) == 0
	switch {
	case !tr.hasSites():
		return notApplicable("the settings have no site")
	case none && !tr.hasServer():
		return notJudged("no site has a server in the settings %s", tr.settings())
	case none:
		return notJudged("Run declares nothing with the settings %s", tr.settings())
	}
	return judgement{}
}

// declaresOnce: while nothing changes, every Declare of a run states the same set. What one leaves out is withdrawn, so
// a Declare for each site leaves the last one alone.
func declaresOnce(tr *trial) (j judgement) {
	tr.Helper()
	_, sets := tr.o.sets()
	for i, set := range sets {
		if former := sets[max(i-1, 0)]; setText(former) != setText(set) {
			tr.fail("collect the tunnels of all sites and state them in one Declare: what a set leaves out is withdrawn",
				"Run declares {%s} and then {%s}, though nothing changed", setText(former), setText(set))
			return j
		}
	}
	return tr.ofDeclarations(sets)
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
func leavesNothing(tr *trial) (j judgement) {
	tr.Helper()
	tr.fault(Cut)
	tr.settle()
	tr.heal()
	tr.stands()
	e := tr.c.stop()
	if e.late {
		return notJudged("Run does not end: see rule EndAtRest")
	}
	if e.goroutines != "" {
		tr.fail("wait for every goroutine before Run returns, with a sync.WaitGroup or errgroup, and end each by Run's context",
			"Run returned and left goroutines behind:\n%s", e.goroutines)
	}
	for _, name := range e.connections {
		tr.fail("close it with defer where it is dialled", "Run returned and left a connection of %s open", name)
	}
	return j
}
