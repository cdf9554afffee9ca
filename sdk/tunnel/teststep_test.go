package tunnel

import (
	"fmt"
	"strings"
	"testing"
)

func TestStepsOfATest(t *testing.T) {
	begin, end := TestStep{Name: "bind", Outcome: StepRunning}, TestStep{Name: "bind", Outcome: StepOK, Message: "bound"}
	for _, c := range []struct {
		name    string
		reports []TestStep
		wrong   string // in the error of the last report, "" for none
		ok      bool
	}{
		{"nothing", nil, "", false},
		{"begun and decided", []TestStep{begin, end}, "", true},
		{"decided at once", []TestStep{end}, "", true},
		{"not decided", []TestStep{begin}, "", false},
		{"failed", []TestStep{end, {Name: "read", Outcome: StepFailed}}, "", false},
		{"skipped and warned", []TestStep{{Name: "read", Outcome: StepSkipped}, {Name: "see", Outcome: StepWarning}}, "", true},
		{"begun twice", []TestStep{begin, begin}, "has begun already", false},
		{"decided twice", []TestStep{begin, end, end}, "decided already", true},
		{"begun after its end", []TestStep{end, begin}, "decided already", true},
		{"no name", []TestStep{{Outcome: StepOK}}, "a name is", false},
		{"a long name", []TestStep{{Name: strings.Repeat("n", MaxTestStep+1), Outcome: StepOK}}, "a name is", false},
		{"a name that drives a terminal", []TestStep{{Name: "\x1b[2J", Outcome: StepOK}}, `\x1b[2J`, false},
		{"the host's name", []TestStep{{Name: StepEnd, Outcome: StepOK}}, "the host's own", false},
		{"another outcome", []TestStep{{Name: "bind", Outcome: "great"}}, "great", false},
		{"no outcome", []TestStep{{Name: "bind"}}, "an outcome that there is not", false},
	} {
		var steps TestSteps
		var err error
		for _, r := range c.reports {
			_, err = steps.Add(r)
		}
		if (err == nil) != (c.wrong == "") || err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "\x1b")) || steps.OK() != c.ok {
			t.Errorf("%s: %v, ok %t: %+v", c.name, err, steps.OK(), steps)
		}
	}
}

func TestATestIsBounded(t *testing.T) {
	var steps TestSteps
	for i := range MaxTestSteps {
		if _, err := steps.Add(TestStep{Name: fmt.Sprint("step ", i), Outcome: StepRunning}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := steps.Add(TestStep{Name: "one more", Outcome: StepRunning}); err == nil || len(steps) != MaxTestSteps {
		t.Errorf("one more is %v, and there are %d", err, len(steps))
	}
	shown, err := steps.Add(TestStep{Name: "step 7", Outcome: StepFailed, Message: "a\n" + strings.Repeat("m", 10_000), Remedy: strings.Repeat("r", 10_000)})
	if err != nil || len(shown.Message)+len(shown.Remedy) > 2*MaxTestText+20 || !strings.HasPrefix(shown.Message, `a\nm`) || steps[7] != shown {
		t.Errorf("long texts are %v, %d and %d bytes", err, len(shown.Message), len(shown.Remedy))
	}
	if n := len(steps.Running()); n != MaxTestSteps-1 {
		t.Errorf("%d run", n)
	}
}
