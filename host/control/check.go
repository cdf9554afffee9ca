package control

// States of a Step.
const (
	StepRunning = "running" // begun; live only
	StepOK      = "ok"
	StepFailed  = "failed"
	StepWarning = "warning" // it holds, and something about it wants attention; of tests alone
	StepSkipped = "skipped" // not tried, because a step before it failed
)

// StepTurn is the step of waiting for a server that was tried a moment ago; there is none where nothing waits.
const StepTurn = "turn"

// Step is one stage of a connection: turn, name, tcp, proxy, hostkey, login, forwarding, or a mapping's name. Of a test of
// a configuration it is one of its steps: settings and module, which are the host's, and what the module calls its own.
type Step struct {
	Name    string  `json:"name"`
	State   string  `json:"state"`
	Reason  *string `json:"reason"`
	Message string  `json:"message"`
	Remedy  string  `json:"remedy"`
	Diagnosis
	MS int64 `json:"ms"` // how long it took
}

// Check is the outcome of a connection test.
type Check struct {
	OK          bool   `json:"ok"`
	Fingerprint string `json:"fingerprint"` // what the server showed, "" where it came to none
	Steps       []Step `json:"steps"`
}

// Test is the outcome of a module's test of a configuration: it went well where no step failed.
type Test struct {
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
}

// addStep puts s at the end, or in the place of the step of that name.
func addStep(steps []Step, s Step) []Step {
	for i := range steps {
		if steps[i].Name == s.Name {
			steps[i] = s
			return steps
		}
	}
	return append(steps, s)
}

// decide sets OK: at least one step, and every one of them ok.
func (c *Check) decide() {
	c.OK = len(c.Steps) > 0
	for _, s := range c.Steps {
		c.OK = c.OK && s.State == StepOK
	}
}

// decide sets OK: at least one step, each decided, and none failed.
func (t *Test) decide() {
	t.OK = len(t.Steps) > 0
	for _, s := range t.Steps {
		t.OK = t.OK && s.State != StepFailed && s.State != StepRunning
	}
}
