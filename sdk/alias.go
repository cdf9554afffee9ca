package sdk

import (
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The words of package sdk/tunnel that an author writes, so that most modules import sdk alone.
type (
	// Slot is a mapping that a module knows how to use: Kinds[0], Spec and On are its defaults, the operator's choice wins.
	Slot = tunnel.Slot
	// Kind is what a mapping does, seen from the PBX.
	Kind = tunnel.Kind
	// Policy is which mappings besides the slots the operator may give a module's tunnels (R49).
	Policy = tunnel.Policy
	// PortRange is the ports of a service that a Slot or a Policy allows; both ends are included.
	PortRange = tunnel.PortRange
	// Grant is a right beyond the sandbox.
	Grant = tunnel.Grant
	// Declaration asks for one tunnel; [Site.Tunnel] makes it.
	Declaration = tunnel.Declaration

	// Ref names a tunnel: OWNER/NAME.
	Ref = tunnel.Ref
	// View is a tunnel with how it is.
	View = tunnel.View
	// Change is one step of a Watch.
	Change = tunnel.Change
	// MappingStatus is how a mapping is.
	MappingStatus = tunnel.MappingStatus
	// State is how a tunnel or a mapping is, in a word.
	State = tunnel.State
	// StatusError is why a tunnel or mapping cannot be used right now, and what to do.
	StatusError = tunnel.StatusError

	// Secret is a text of the settings that never shows again: printed, logged or marshalled it is ***.
	Secret = tunnel.Secret
	// Duration is a span of time in the settings, written like "90s" or "1h30m"; its D is the time.Duration.
	Duration = settings.Duration
	// Finding is one thing wrong with the settings.
	Finding = tunnel.Finding
	// Findings are all of them; a non-empty one is an error.
	Findings = tunnel.Findings
)

// The kinds of mappings.
const (
	Reach         = tunnel.Reach         // the PBX connects to a service at the site
	ReachGateway  = tunnel.ReachGateway  // hosts around the PBX do, too
	Expose        = tunnel.Expose        // the SSH server connects to a service of the PBX, or to the module
	ExposeGateway = tunnel.ExposeGateway // hosts around the SSH server do, too
)

// The states of tunnels, and of mappings: up, unproved or down.
const (
	Disabled   = tunnel.Disabled
	Inactive   = tunnel.Inactive
	Connecting = tunnel.Connecting
	Up         = tunnel.Up
	Degraded   = tunnel.Degraded
	Waiting    = tunnel.Waiting
	Blocked    = tunnel.Blocked
	Unproved   = tunnel.Unproved
	Down       = tunnel.Down
)

// What a Change tells.
const (
	Present = tunnel.Present
	Synced  = tunnel.Synced
	Changed = tunnel.Changed
	Removed = tunnel.Removed
	Resync  = tunnel.Resync
)

// Anything is the policy that allows every mapping.
var Anything = tunnel.Anything
