package tunnel

import (
	"fmt"
	"slices"
	"time"
)

// CapabilityTester is what a module that can test its configurations says in its Description.
const CapabilityTester = "tester"

// CapabilityValidator is what a module says that judges settings by more than their schema.
const CapabilityValidator = "validator"

// Bounds of one test.
const (
	MaxTestSteps = 50
	MaxTestStep  = 60  // bytes of a step's name
	MaxTestText  = 500 // bytes of a message, and of a remedy

	TestLimit = 2 * time.Minute // for the whole, the start of the module's process included
)

// Outcome is how a step of a test is.
type Outcome string

// The outcomes of a step. All but the first are final.
const (
	StepRunning Outcome = "running"
	StepOK      Outcome = "ok"
	StepWarning Outcome = "warning" // it holds, and something about it wants attention
	StepFailed  Outcome = "failed"
	StepSkipped Outcome = "skipped" // not tried: a step it depends on failed, or there is nothing to try
)

// TestStep is one step of a module's test of a configuration: what is checked, and how that went.
type TestStep struct {
	Name    string // unique in its test: "bind", "read the base"
	Outcome Outcome
	Message string        // what was found
	Remedy  string        // what to do, where something is to be done
	Took    time.Duration // as the host measured it; a module does not say
}

// TestSteps are the steps of one test in the order in which they began.
type TestSteps []TestStep

// The names of the steps that the host adds to a module's: the settings are ready, the module runs, and
// what ended a test that did not come to its end. A module's own steps are called otherwise.
const (
	StepSettings = "settings"
	StepModule   = "module"
	StepEnd      = "end"
)

// Add takes the next report of a module's step: it may begin, with StepRunning, and is decided once. It is given back as
// it is to be shown, texts escaped and cut. A report that breaks this, or the bounds, changes nothing and is an error.
func (t *TestSteps) Add(s TestStep) (TestStep, error) {
	i := slices.IndexFunc(*t, func(other TestStep) bool { return other.Name == s.Name })
	begun := i >= 0 && (*t)[i].Outcome == StepRunning
	if err := t.check(s, i >= 0, begun); err != nil {
		return TestStep{}, err
	}
	s.Message, s.Remedy = Clean(s.Message, MaxTestText), Clean(s.Remedy, MaxTestText)
	if begun {
		(*t)[i] = s
	} else {
		*t = append(*t, s)
	}
	return s, nil
}

func (t *TestSteps) check(s TestStep, there, begun bool) error {
	name := Clean(s.Name, MaxTestStep)
	switch {
	case s.Name == "" || name != s.Name:
		return fmt.Errorf("a step is called %q: a name is 1 to %d bytes that can be shown", name, MaxTestStep)
	case !slices.Contains([]Outcome{StepRunning, StepOK, StepWarning, StepFailed, StepSkipped}, s.Outcome):
		return fmt.Errorf("step %q has an outcome that there is not: %q", name, Clean(string(s.Outcome), MaxTestStep))
	case there && !begun:
		return fmt.Errorf("step %q is decided already: a test has each name once", name)
	case begun && s.Outcome == StepRunning:
		return fmt.Errorf("step %q has begun already: a test has each name once", name)
	case slices.Contains([]string{StepSettings, StepModule, StepEnd}, s.Name):
		return fmt.Errorf("step %q is one of the host's own: call it otherwise", name)
	case !there && len(*t) >= MaxTestSteps:
		return fmt.Errorf("the test has more than %d steps", MaxTestSteps)
	}
	return nil
}

// Running are the steps that are not decided yet.
func (t TestSteps) Running() []TestStep {
	var running []TestStep
	for _, s := range t {
		if s.Outcome == StepRunning {
			running = append(running, s)
		}
	}
	return running
}

// OK reports whether the test went well: it has steps, each is decided, and none failed.
func (t TestSteps) OK() bool {
	return len(t) > 0 && !slices.ContainsFunc(t, func(s TestStep) bool { return s.Outcome == StepRunning || s.Outcome == StepFailed })
}
