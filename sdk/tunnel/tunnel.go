// Package tunnel says what a tunnel is, who may change it and which rules it obeys.
//
// It is the vocabulary of Culvert: plugins, host, CLI and web use these words and these rules, so that one input gives
// the same findings everywhere. It holds no state, talks to nobody and needs the standard library only.
//
// All terms are from the PBX's point of view (R30): local is the PBX, remote the SSH server and what lies behind it.
package tunnel

import (
	"slices"
	"strings"
	"time"
)

// Owner is who declared a tunnel and alone may change it: the name of a module, or Operator.
type Owner string

// Operator is the built-in owner of tunnels without a module: always active, any kind of mapping, no private ones.
const Operator Owner = "operator"

// Name is a tunnel's name, unique among its owner's tunnels. Names a module declared hold a dot
// (CONFIGURATION.SITE), names an operator gave do not, so the two never meet.
type Name string

// Declared reports whether n is a name that only a module's declaration can have.
func (n Name) Declared() bool { return strings.Contains(string(n), ".") }

// Ref names one tunnel among all owners'. Its text is OWNER/NAME.
type Ref struct {
	Owner Owner
	Name  Name
}

// String is OWNER/NAME.
func (r Ref) String() string { return string(r.Owner) + "/" + string(r.Name) }

// MayChange reports whether owner may change or remove the tunnel ref: only its owner may (R52, R53).
// The operator's own commands are no exception to it: they go through the host, which applies the operator's rights.
func MayChange(owner Owner, ref Ref) bool { return owner == ref.Owner }

// Server is the SSH server a tunnel connects to. Its text is [USER@]HOST[:PORT] (R11-R13).
type Server struct {
	Host string
	Port int
	User string
}

// Login is how a tunnel authenticates.
type Login string

// The two ways to log in (E wants keys, F wants passwords).
const (
	LoginKey      Login = "key"
	LoginPassword Login = "password"
)

// PinState says what the host knows of a server's host key.
type PinState string

// A pin is learned at the first success (R16) and confirmed by a person, or by a fingerprint given beforehand.
const (
	PinNone      PinState = "none"
	PinLearned   PinState = "learned"
	PinConfirmed PinState = "confirmed"
)

// Pin is the host key a server must show: its type and SHA-256. The zero Pin expects nothing yet.
type Pin struct {
	State       PinState
	KeyType     string // "ssh-ed25519", "rsa", ...: the key's type, not the signature algorithm
	Fingerprint string // "SHA256:..." as ssh-keygen -l prints it
}

// ManagedBy says who writes a tunnel's mappings and server.
type ManagedBy string

// A declared tunnel follows its module's configuration; the others are the operator's.
const (
	ByModule   ManagedBy = "module"
	ByOperator ManagedBy = "operator"
)

// Tunnel is what shall be: one SSH connection with its mappings, as the registry holds it.
type Tunnel struct {
	Ref           Ref
	Node          string // always "single" until pairs exist (R70-R72)
	Configuration string // the configuration of the module that declared it, "" for operator-made ones
	Settings      string // path of its site in that configuration's settings, "" for operator-made ones
	Server        Server
	Via           Via    // the proxy it goes through, zero where there is none
	LAN           string // the server's address in its own network, "" where none was given
	Login         Login
	OwnKey        bool   // logs in with a key of its own instead of the PBX's key pair
	Fingerprint   string // given beforehand, "SHA256:..." or MD5 hex; "" when none was
	Pin           Pin
	Comment       string
	Suspended     bool     // switched off by the operator
	AcceptWider   []string // mappings that may be bound wider than declared
	Mappings      []Mapping
	Revision      uint64 // of the operator-made record; 0 for declared ones, whose configuration carries it
}

// ManagedBy says who writes this tunnel's server and mappings.
func (t Tunnel) ManagedBy() ManagedBy {
	if t.Configuration != "" {
		return ByModule
	}
	return ByOperator
}

// View is a tunnel as everyone sees it: what shall be and what is, joined under one sequence.
type View struct {
	Tunnel
	Status Status
}

// Clone is a copy that shares nothing with v.
func (v View) Clone() View {
	v.AcceptWider, v.Mappings = slices.Clone(v.AcceptWider), slices.Clone(v.Mappings)
	v.Status = v.Status.Clone()
	return v
}

// Node is the only node there is today.
const Node = "single"

// Limits of one tunnel and one owner's texts.
const (
	MaxMappings = 64
	MaxComment  = 1000 // characters
	MaxDeclared = 64   // tunnels of one configuration
)

// Event is one line of the journal: something that happened to a tunnel, a module or a configuration.
// Fields may be added to it, none is ever renamed.
type Event struct {
	Time    time.Time         `json:"time"`
	Type    EventType         `json:"type"`
	Actor   string            `json:"actor"`   // operator:UID, module:NAME or host
	Subject string            `json:"subject"` // OWNER/NAME, OWNER/NAME/MAPPING, MODULE or MODULE/CONFIGURATION
	Reason  Reason            `json:"reason,omitempty"`
	Message string            `json:"message,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// EventType is what kind of thing happened.
type EventType string

// The types of events. The fields of the *-state types hold "state" and "was", and "cause" where there is one; those of
// caller-new "address" and "kind", or "more" where so many came that not each has a line.
const (
	TunnelAdded   EventType = "tunnel-added"
	TunnelChanged EventType = "tunnel-changed"
	TunnelRemoved EventType = "tunnel-removed"
	TunnelState   EventType = "tunnel-state"
	MappingState  EventType = "mapping-state"
	CallerNew     EventType = "caller-new" // the first connection of an address through a mapping, or the first for an hour
	KeyLearned    EventType = "key-learned"
	KeyAccepted   EventType = "key-accepted"
	Refused       EventType = "refused"
	ModuleState   EventType = "module-state"
	ConfigChanged EventType = "config-changed"
	GrantChanged  EventType = "grant-changed"  // of a module; the field change is granted or revoked
	ActionStarted EventType = "action-started" // of a configuration, by an operator; the fields: action or job, dry_run, arguments
	ActionEnded   EventType = "action-ended"   // the fields: action or job, dry_run, outcome, ms
	RecordDamaged EventType = "record-damaged" // a record that is there but cannot be read; the subject is its key
	EventsLost    EventType = "events-lost"    // others are not in the journal, because it took none for too long
)
