package control

import (
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Diagnosis tells apart what shares a reason, by what was seen. Its fields stand at the level of what it is about.
type Diagnosis struct {
	Cause    *string  `json:"cause"`    // null where the reason says it all
	Evidence []string `json:"evidence"` // what was seen, in the order it was
	Fixes    []Fix    `json:"fixes"`    // what to paste, the best first
}

// Fix is one line to paste, and where.
type Fix struct {
	Where string `json:"where"` // a file, or where a command is run
	Line  string `json:"line"`
}

// DiagnosisOf shows d, bounded and escaped; nil is one that says nothing.
func DiagnosisOf(d *tunnel.Diagnosis) Diagnosis {
	out := Diagnosis{Evidence: []string{}, Fixes: []Fix{}}
	d = d.Cleaned()
	if d == nil {
		return out
	}
	if d.Cause != "" {
		cause := string(d.Cause)
		out.Cause = &cause
	}
	out.Evidence = append(out.Evidence, d.Evidence...)
	for _, f := range d.Fixes {
		out.Fixes = append(out.Fixes, Fix(f))
	}
	return out
}

// diagnosisOf is DiagnosisOf with the remedy among the fixes, where that is a command and no sentence.
func diagnosisOf(d *tunnel.Diagnosis, remedy string) Diagnosis {
	out := DiagnosisOf(d)
	if len(out.Fixes) == 0 && strings.HasPrefix(remedy, "culvert ") {
		out.Fixes = append(out.Fixes, Fix{Where: "a shell on the PBX", Line: remedy})
	}
	return out
}

// Statement is what is known of the link, of a listener or of a far service, apart from what a state makes of them.
type Statement struct {
	State   string     `json:"state"` // up, unproved, down or unknown
	Reason  *string    `json:"reason"`
	Message string     `json:"message"`
	At      *time.Time `json:"at"` // when it was last seen to be so
}

// StatementUnknown is the state of a Statement about what was not seen yet.
const StatementUnknown = "unknown"

func statementOf(s tunnel.Statement) Statement {
	out := Statement{State: string(s.State), Reason: reasonOf(s.Reason), Message: tunnel.Clean(s.Message, maxSentence), At: timeOf(s.At)}
	if s.State == "" {
		out.State = StatementUnknown
	}
	return out
}

// maxSentence bounds a sentence from outside, in characters.
const maxSentence = 2000

// Caller is who connected through a mapping: an address without its port, or the module at a private socket.
type Caller struct {
	Address string     `json:"address"`
	Open    int        `json:"open"`
	Total   uint64     `json:"total"`
	Last    *time.Time `json:"last"`
}

// callersOf shows as many as are remembered.
func callersOf(all []tunnel.Caller) []Caller {
	out := []Caller{}
	for _, c := range all[:min(len(all), tunnel.MaxCallers)] {
		out = append(out, Caller{Address: tunnel.Clean(c.Address, maxAddress), Open: c.Open, Total: c.Total, Last: timeOf(c.Last)})
	}
	return out
}

const maxAddress = 120
