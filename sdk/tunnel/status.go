package tunnel

import (
	"slices"
	"time"
)

// State is how a tunnel or a mapping is right now. Status is observed, never stored as truth.
type State string

// The states of a tunnel. A mapping is up, unproved or down.
const (
	Disabled   State = "disabled"   // suspended by the operator
	Inactive   State = "inactive"   // its owner has no enabled configuration, or its module is missing
	Connecting State = "connecting" // an attempt runs, or some mapping has not had its first verdict
	Up         State = "up"         // every mapping proved
	Degraded   State = "degraded"   // the link stands, some mapping is not up
	Waiting    State = "waiting"    // the next attempt is known
	Blocked    State = "blocked"    // needs a person: host key, login
	Unproved   State = "unproved"   // a mapping listens, but the server forbids the proof
	Down       State = "down"       // a mapping carries nothing
)

// Linked reports whether a proved link stands in state s.
func (s State) Linked() bool { return s == Up || s == Degraded }

// Bound says where a listener really is.
type Bound string

// Where a listener is bound. Unknown until it was measured.
const (
	BoundLoopback Bound = "loopback"
	BoundAll      Bound = "all"
	BoundUnknown  Bound = "unknown"
)

// Status is the observed truth of one tunnel. Times are zero when they do not apply.
type Status struct {
	State         State
	Reason        Reason // "" where nothing is wrong
	Message       string // one sentence, escaped for a terminal
	Remedy        string // what to do, a line to paste where there is one
	Diagnosis     *Diagnosis
	Link          Statement // the SSH connection alone, whatever its mappings
	Since         time.Time
	NextAttempt   time.Time
	ServerVersion string // as the server calls itself, escaped
	Warnings      []string
	Mappings      []MappingStatus // one per mapping, in the tunnel's order
	Edition       uint64          // of the Wanted it is about, between host and supervisor; 0 is the present one
}

// MappingStatus is the observed truth of one mapping.
type MappingStatus struct {
	Name           string
	State          State // Up, Unproved or Down
	Reason         Reason
	Message        string
	Remedy         string
	Diagnosis      *Diagnosis
	Listener       Statement // whether its port leads to us
	Target         Statement // whether the service behind it answers, and in Message what it said when it was asked
	ProvedAt       time.Time // when a proof last held
	TargetProvedAt time.Time // when the service behind it last answered
	Bound          Bound
	Connections    int      // open now
	Total          uint64   // connections ever, since the host started
	Refused        uint64   // connections refused: too many were open or waiting, or they waited in vain
	BytesIn        uint64   // from the site to the PBX
	BytesOut       uint64   // from the PBX to the site
	Callers        []Caller // who connected, the latest first, at most MaxCallers
}

// Statement is the answer to one question about a tunnel or mapping, apart from what its state makes of all of them. The
// zero Statement awaits it.
type Statement struct {
	State   State // Up, Unproved or Down, "" where nothing is known yet
	Reason  Reason
	Message string
	At      time.Time // when it was last seen to be so
}

// MaxCallers is how many callers of a mapping are remembered.
const MaxCallers = 16

// Caller is who connected through a mapping: an address, or the module for a private socket.
type Caller struct {
	Address string // without its port, escaped
	Open    int    // of its connections, now
	Total   uint64
	Last    time.Time // when it last connected
}

// Clone is a copy that shares nothing with s.
func (s Status) Clone() Status {
	s.Diagnosis, s.Warnings, s.Mappings = s.Diagnosis.clone(), slices.Clone(s.Warnings), slices.Clone(s.Mappings)
	for i, m := range s.Mappings {
		s.Mappings[i].Diagnosis, s.Mappings[i].Callers = m.Diagnosis.clone(), slices.Clone(m.Callers)
	}
	return s
}

// Mapping returns the status of the mapping of that name, or a zero one.
func (s Status) Mapping(name string) MappingStatus {
	for _, m := range s.Mappings {
		if m.Name == name {
			return m
		}
	}
	return MappingStatus{Name: name}
}
