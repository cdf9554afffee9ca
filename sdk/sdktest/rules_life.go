package sdktest

// The rules of a life with restarts and an operator.

// restarts: however often a module is started, it has one set of tunnels, and between two runs too.
func restarts(tr *trial) (j judgement) {
	tr.Helper()
	set := tr.declared()
	for range 2 {
		if tr.c.stop().late {
			return notJudged("Run does not end: see rule EndAtRest")
		}
		if gone := tr.withdrawn(set); len(gone) > 0 {
			tr.fail("withdraw nothing when Run ends: tunnels outlive the module, and the host takes down what the operator disables",
				"when Run ended, it withdrew %v", gone)
			return j
		}
		ended := len(tr.o.ended())
		tr.c.start()
		tr.settle()
		for _, err := range tr.newAttempts(ended) {
			if err != nil {
				tr.fail("what a former run left in Instance.Dir must not keep the next from running", "Run fails when it is started again: %v", err)
				return j
			}
		}
		if gone := tr.withdrawn(set); len(gone) > 0 {
			tr.fail("declare by the settings alone, with the same slots each time", "started again, it withdrew or changed %v", gone)
			return j
		}
	}
	return j
}

// outlivesHost: when the daemon restarts, a run ends soon, and the next one goes on.
func outlivesHost(tr *trial) (j judgement) {
	tr.Helper()
	if j, ok := tr.s.endsAtAll(tr.bench); !ok {
		return j
	}
	done, set := tr.o.done(), tr.declared()
	tr.w.loseHost()
	if e := tr.c.stop(); e.late {
		tr.fail("return when a call returns wire.ErrGone, and clean up in less time: the process is killed then",
			"Run has not returned %v after its host was gone%s", e.grace, at(e.stands))
		return j
	}
	tr.c.start()
	tr.settle()
	tr.stayed("when the daemon was restarted", done, set)
	return j
}

// obeysOperator: a configuration may be disabled at any time, enabled again, and removed.
func obeysOperator(tr *trial) (j judgement) {
	tr.Helper()
	if j, ok := tr.s.endsAtAll(tr.bench); !ok {
		return j
	}
	const hint = "its tunnels become inactive before Run's context ends: take neither for something to wait out"
	done, set := tr.o.done(), tr.declared()
	_ = tr.w.World.Enable(tr.c.ref, false)
	tr.settle()
	if e := tr.c.stop(); e.late {
		tr.fail(hint, "Run has not returned %v after its configuration was disabled%s", e.grace, at(e.stands))
		return j
	}
	tr.c.Enable()
	tr.settle()
	tr.stayed("when its configuration was disabled and enabled again", done, set)
	_ = tr.w.RemoveConfiguration(tr.c.ref)
	tr.settle()
	if e := tr.c.stop(); e.late {
		tr.fail(hint, "Run has not returned %v after its configuration was removed%s", e.grace, at(e.stands))
	}
	return j
}
