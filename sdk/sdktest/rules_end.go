package sdktest

import "sync"

// The rules of ending: Run returns within Grace of the end of its context, wherever it is.

// endsWithin stops the module and says what it did not heed where.
func (tr *trial) endsWithin(where, hint string) (j judgement) {
	tr.Helper()
	if e := tr.c.stop(); e.late {
		tr.fail(hint+"; the host kills the process of a module that does not end",
			"Run has not returned %v after its context ended, %s%s", e.grace, where, at(e.stands))
	}
	return j
}

// at says where something that should have ended is.
func at(stacks string) string {
	if stacks == "" {
		return ""
	}
	return "; it is at\n" + stacks
}

func endsBeforeDeclare(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	hold := make(chan struct{})
	b.Cleanup(func() { close(hold) })
	tr.o.hold = hold
	tr.c.start()
	tr.settle()
	if held, _, _ := tr.o.waits(); !held {
		tr.c.stop()
		return tr.ofDeclarations(nil)
	}
	return tr.endsWithin("while it waited in Declare", "give Declare the context of Run, and return the error it returns")
}

// endsInDial is judged with nothing at the site, so that Dial waits.
func endsInDial(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	tr.w.sites.silence()
	if j, ok := tr.begin(); !ok {
		return j
	}
	if _, dials, _ := tr.o.waits(); dials == 0 {
		tr.c.stop()
		if !tr.reaches() {
			return notApplicable("the module has no slot of kind reach")
		}
		return notJudged("Run dials nothing by itself with the settings %s", tr.settings())
	}
	return tr.endsWithin("while it waited in Dial", "give Dial a context made from Run's")
}

// endsInWatch is for a module that waits for nothing else.
func endsInWatch(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	if j, ok := tr.begin(); !ok {
		return j
	}
	switch _, dials, watches := tr.o.waits(); {
	case watches == 0:
		tr.c.stop()
		return notApplicable("Run does not watch the tunnels")
	case dials > 0:
		tr.c.stop()
		return notApplicable("Run waits in Dial too, which rule EndInDial judges")
	}
	return tr.endsWithin("while it watched the tunnels", "give Watch a context made from Run's, and return when it yields an error")
}

// endsAtRest is for a module that waits for none of these: for its connections, visitors or the next time.
func endsAtRest(b *bench, s subject) (j judgement) {
	b.Helper()
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	if j, ok := tr.begin(); !ok {
		return j
	}
	if _, dials, watches := tr.o.waits(); watches+dials > 0 {
		tr.c.stop()
		return notApplicable("Run waits in Watch or Dial, which other rules judge")
	}
	return tr.endsWithin("at rest", "have every wait end with Run's context: a select with ctx.Done(), and for a connection or listener context.AfterFunc that closes it")
}

// endsInFault: also while something is wrong. Processes are tried with all faults at once.
func endsInFault(b *bench, s subject) (j judgement) {
	b.Helper()
	if j, ok := s.endsAtAll(b); !ok {
		return j
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range []Fault{Cut, Freeze, WrongKey, loginRefused, targetRefused, slow} {
		if s.apart {
			all.Go(func() { s.endsWith(b.apart(), f) })
		} else if !s.endsWith(b, f) {
			break
		}
	}
	return j
}

// apart is the same bench for something that is judged at the same time.
func (b *bench) apart() *bench { other := *b; return &other }

// endsWith reports whether there was something to judge.
func (s subject) endsWith(b *bench, f Fault) bool {
	b.Helper()
	tr, _ := s.prepare(b)
	if tr == nil {
		return false
	}
	if _, ok := tr.begin(); !ok {
		return false
	}
	tr.fault(f)
	tr.settle()
	tr.endsWithin("while "+f.told(), "have every wait end with Run's context, also that before the next attempt")
	return true
}
