package tunnel

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a stable, language-free code for what is wrong with an input or a request.
type Code string

// The codes of findings.
const (
	Required        Code = "required"
	Malformed       Code = "malformed"
	OutOfRange      Code = "out-of-range"
	TooLong         Code = "too-long"
	UnknownKey      Code = "unknown-key"
	PortCollision   Code = "port-collision"
	PolicyRefused   Code = "policy-refused"
	NotOwner        Code = "not-owner"
	StaleRevision   Code = "stale-revision"
	Exists          Code = "exists"
	NotFound        Code = "not-found"
	ManagedByModule Code = "managed-by-module"
	TooMany         Code = "too-many"
)

// Sentinels for errors.Is: a Finding and a Findings match the sentinel of their codes.
var (
	ErrNotOwner        = errors.New("not the owner")
	ErrNotFound        = errors.New("not found")
	ErrExists          = errors.New("exists already")
	ErrStaleRevision   = errors.New("stale revision")
	ErrPortCollision   = errors.New("port collision")
	ErrPolicyRefused   = errors.New("refused by the module's policy")
	ErrManagedByModule = errors.New("managed by its module")
	ErrInvalid         = errors.New("invalid") // every code not named above
	ErrResync          = errors.New("resync")
)

var sentinels = map[Code]error{
	NotOwner: ErrNotOwner, NotFound: ErrNotFound, Exists: ErrExists, StaleRevision: ErrStaleRevision,
	PortCollision: ErrPortCollision, PolicyRefused: ErrPolicyRefused, ManagedByModule: ErrManagedByModule,
}

// Finding is one thing wrong with an input: the same in SDK, CLI, web and host.
type Finding struct {
	Code    Code   `json:"code"`
	Field   string `json:"field"`   // the place in the input: "server", "mappings[a].local", "--reach"
	Value   string `json:"value"`   // what was given, cut and escaped
	Message string `json:"message"` // what is wrong, one sentence
	WayOut  string `json:"way_out"` // what to do
}

// Error is "field: message (way out)".
func (f Finding) Error() string {
	var b strings.Builder
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	if f.WayOut != "" {
		b.WriteString("; " + f.WayOut)
	}
	return b.String()
}

// Is makes a finding match the sentinel of its code.
func (f Finding) Is(target error) bool {
	s, ok := sentinels[f.Code]
	if !ok {
		s = ErrInvalid
	}
	return target == s
}

// Findings are all that is wrong with an input, never only the first. A non-empty Findings is an error.
type Findings []Finding

// Error joins the findings' sentences.
func (fs Findings) Error() string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Error()
	}
	return strings.Join(parts, "\n")
}

// Is matches when any finding does.
func (fs Findings) Is(target error) bool {
	for _, f := range fs {
		if f.Is(target) {
			return true
		}
	}
	return false
}

// Err returns fs as an error, nil when there is none.
func (fs Findings) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// In returns the findings with field put before each field: "mappings[a]" and "local" give "mappings[a].local".
func (fs Findings) In(field string) Findings {
	out := make(Findings, len(fs))
	for i, f := range fs {
		if f.Field == "" {
			f.Field = field
		} else {
			f.Field = field + "." + f.Field
		}
		out[i] = f
	}
	return out
}

// NotOwnerFinding is the refusal of a change to another owner's tunnel; the sentence is the same everywhere.
func NotOwnerFinding(ref Ref) Finding {
	return Finding{
		Code: NotOwner, Field: "tunnel", Value: Clean(ref.String(), 120),
		Message: fmt.Sprintf("not the owner: %s belongs to %s, and only %s can change it",
			Clean(ref.String(), 120), Clean(string(ref.Owner), 60), Clean(string(ref.Owner), 60)),
		WayOut: "every module may read it; to have one of your own, declare it under your own name",
	}
}

// NotFoundFinding says that ref does not exist.
func NotFoundFinding(ref Ref) Finding {
	return Finding{
		Code: NotFound, Field: "tunnel", Value: Clean(ref.String(), 120),
		Message: fmt.Sprintf("there is no tunnel %s", Clean(ref.String(), 120)),
		WayOut:  "culvert tunnel list shows all",
	}
}

// ConfigurationNotFound says that ref does not exist.
func ConfigurationNotFound(ref ConfigurationRef) Finding {
	return Finding{
		Code: NotFound, Field: "configuration", Value: Clean(ref.String(), 120),
		Message: fmt.Sprintf("there is no configuration %s", Clean(ref.String(), 120)),
		WayOut:  "culvert config list shows all",
	}
}

// StatusError is why a tunnel or mapping cannot be used right now, with its reason.
type StatusError struct {
	Ref     Ref
	Mapping string // "" for the tunnel itself
	State   State
	Reason  Reason
	Message string
	Remedy  string
}

// Error names the tunnel, its state and why.
func (e *StatusError) Error() string {
	s := e.Ref.String()
	if e.Mapping != "" {
		s += "/" + e.Mapping
	}
	s += " is " + string(e.State)
	if e.Reason != "" {
		s += " (" + string(e.Reason) + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}
