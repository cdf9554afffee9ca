package tunnel

import "time"

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
	ProvedAt       time.Time // when a proof last held
	TargetProvedAt time.Time // when the service behind it last answered
	Bound          Bound
	Connections    int    // open now
	BytesIn        uint64 // from the site to the PBX
	BytesOut       uint64 // from the PBX to the site
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
