package control

// States of a Step.
const (
	StepRunning = "running" // begun; live only
	StepOK      = "ok"
	StepFailed  = "failed"
	StepSkipped = "skipped" // not tried, because a step before it failed
)

// StepTurn is the step of waiting for a server that was tried a moment ago; there is none where nothing waits.
const StepTurn = "turn"

// Step is one stage of a connection: turn, name, tcp, proxy, hostkey, login, forwarding, or a mapping's name.
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

// add puts s at the end, or in the place of the step of that name.
func (c *Check) add(s Step) {
	for i := range c.Steps {
		if c.Steps[i].Name == s.Name {
			c.Steps[i] = s
			return
		}
	}
	c.Steps = append(c.Steps, s)
}

// decide sets OK: at least one step, and every one of them ok.
func (c *Check) decide() {
	c.OK = len(c.Steps) > 0
	for _, s := range c.Steps {
		c.OK = c.OK && s.State == StepOK
	}
}
