package tunnel

import (
	"context"
	"iter"
)

// Declaration asks for one tunnel of a configuration. Server, login and mappings are not in it: the host computes
// them from the configuration's settings and the slots the operator accepted, so that an operator's change counts
// without the module and a module can send the operator's secret nowhere else.
type Declaration struct {
	Ref      Ref      // the SDK fills in the module's own; the host refuses any other
	Settings string   // path of the site in the configuration's settings: "site", "sites.berlin"
	Slots    []string // names of the module's slots this tunnel serves; empty: all the settings offer
}

// ChangeType says what a Change tells.
type ChangeType string

// A watch begins with the present state of every tunnel as Present, then Synced, then Changed and Removed ones.
// Resync means the reader fell behind: the whole follows again, beginning with Present.
const (
	Present ChangeType = "present"
	Synced  ChangeType = "synced"
	Changed ChangeType = "changed"
	Removed ChangeType = "removed"
	Resync  ChangeType = "resync"
)

// Change is one step of a watch. Tunnel is set in Present and Changed; in Removed only its Ref is.
type Change struct {
	Type   ChangeType
	Tunnel View
}

// Service is the registry as one owner sees it: everything visible, only the own changeable. Which owner is bound
// when the Service is made, never named in a call.
//
// All methods are safe for concurrent use and end with the context's error when it ends.
type Service interface {
	// Declare states the whole set of tunnels of one of the owner's configurations, all or nothing: what it leaves
	// out is withdrawn. It returns at commit, not when the tunnels are up. A set equal to the stored one writes
	// nothing. An error that holds Findings lists everything wrong with the set, and the former set stands.
	// A Ref of another owner is ErrNotOwner; an unknown configuration ErrNotFound.
	Declare(ctx context.Context, configuration string, set []Declaration) error

	// Get returns one tunnel of any owner, or ErrNotFound.
	Get(ctx context.Context, ref Ref) (View, error)

	// List yields every tunnel of every owner in the order of their names, as of one moment.
	List(ctx context.Context) iter.Seq2[View, error]

	// Watch yields the present state of every tunnel, Synced, then each change of record, state, reason or cause of a
	// tunnel or mapping, in order. Proof times and counters alone are no change: Get and List carry them. A reader
	// that falls behind gets Resync and the whole again. It ends with the context's error as its last element.
	Watch(ctx context.Context) iter.Seq2[Change, error]
}
