package sdktest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// standstill is how long a rule may take in real time while time is virtual: a rule that takes longer waits for something real.
const standstill = 90 * time.Second

// try tries the rule, in a bubble of its own where time is virtual.
func (r Rule) try(t *testing.T, s subject) (j judgement) {
	t.Helper()
	if !s.virtual {
		return r.hold(r.bench(t), s)
	}
	stuck := time.AfterFunc(standstill, func() { panic(r.stuck()) })
	defer stuck.Stop()
	defer func() { // a bubble whose goroutines never end cannot end itself
		if p := recover(); p != nil && !t.Failed() {
			r.bench(t).fail("have every goroutine end with Run's context", "the module leaves something behind that never ends: %v", p)
		}
	}()
	synctest.Test(t, func(t *testing.T) { j = r.hold(r.bench(t), s) })
	return j
}

// stuck is what the author reads where virtual time stands still. Nothing can end such a bubble but the end of the process.
func (r Rule) stuck() string {
	return fmt.Sprintf("rule %s: virtual time has stood still for %v: the module waits for something real of its own, such as a program or a socket\n"+
		"hint: give Conformance the option sdktest.RealTime()", r.Name, standstill)
}

func (r Rule) bench(t testing.TB) *bench {
	return &bench{TB: t, rule: r.Name, where: "the module's description"}
}
