package sdktest

import (
	"sync"
	"testing"
)

// The rules of ending: Run returns within Grace of the end of its context, wherever it is.

// endsWithin stops the module and says what it did not heed where.
func (tr *trial) endsWithin(where, hint string) {
	tr.Helper()
	if e := tr.c.stop(); e.late {
		fail(tr, hint+"; the host kills the process of a module that does not end", "Run has not returned %v after its context ended, %s", e.grace, where)
	}
}

func endsBeforeDeclare(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil {
		return
	}
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	tr.o.hold = hold
	tr.c.start()
	tr.settle()
	if held, _, _ := tr.o.waits(); !held {
		tr.c.stop() // it declares nothing
		return
	}
	tr.endsWithin("while it waited in Declare", "give Declare the context of Run, and return the error it returns")
}

// endsInDial is judged with nothing at the site, so that Dial waits.
func endsInDial(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil {
		return
	}
	tr.w.sites.others = nil
	if !tr.begin() {
		return
	}
	if _, dials, _ := tr.o.waits(); dials == 0 {
		tr.c.stop()
		return
	}
	tr.endsWithin("while it waited in Dial", "give Dial a context made from Run's")
}

// endsInWatch is for a module that waits for nothing else.
func endsInWatch(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil || !tr.begin() {
		return
	}
	if _, dials, watches := tr.o.waits(); watches == 0 || dials > 0 {
		tr.c.stop()
		return
	}
	tr.endsWithin("while it watched the tunnels", "give Watch a context made from Run's, and return when it yields an error")
}

// endsAtRest is for a module that waits for none of these: for its connections, visitors or the next time.
func endsAtRest(t testing.TB, s subject) {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil || !tr.begin() {
		return
	}
	if _, dials, watches := tr.o.waits(); watches+dials > 0 {
		tr.c.stop()
		return
	}
	tr.endsWithin("at rest", "have every wait end with Run's context: a select with ctx.Done(), and for a connection or listener context.AfterFunc that closes it")
}

// endsInFault: also while something is wrong. Processes are tried with all faults at once.
func endsInFault(t testing.TB, s subject) {
	t.Helper()
	if !s.endsAtAll(t) {
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range []Fault{Cut, Freeze, WrongKey, loginRefused, targetRefused, slow} {
		if s.apart {
			all.Go(func() { s.endsWith(t, f) })
		} else if !s.endsWith(t, f) {
			return
		}
	}
}

// endsWith reports whether there was something to judge.
func (s subject) endsWith(t testing.TB, f Fault) bool {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil || !tr.begin() {
		return false
	}
	tr.fault(f)
	tr.settle()
	tr.endsWithin("while "+f.told(), "have every wait end with Run's context, also that before the next attempt")
	return true
}
