// Package pbx is what a module may ask of a telephone system: its users, groups and numbers, read as one State and
// changed by a Plan. Modules compute the State that shall be, Diff says what differs, an Adapter makes it so.
//
// Adapters are asterisk (files that Asterisk includes) and generic (CSV and JSON for any other system), each in its own
// package; pbxtest holds the suite that every adapter passes, and one in memory.
//
// All text that reaches an adapter may come from a directory that somebody else fills. It never changes what a written
// file means: an adapter writes it so that the reader gets the same text back, or leaves the field out and says so in
// Result.Refused.
package pbx

import (
	"context"
	"errors"
)

// Adapter is one telephone system, or the files that one reads. Its methods may be called concurrently; Apply and
// Preview run one after the other.
//
//	have, err := a.Read(ctx)
//	want := have.Clone()            // changed by the module
//	plan := pbx.Diff(have, want)
//	result, err := a.Preview(ctx, plan) // a dry run
//	result, err = a.Apply(ctx, plan)
type Adapter interface {
	// Capabilities says what this system can keep. What it cannot keep is left out of what Apply writes and named in
	// Result.Refused with the code Unsupported.
	Capabilities() Capabilities

	// Read returns the present state, sorted, with everything that the last Apply wrote. ErrDamaged: what is kept
	// cannot be read, and nothing is changed until it can.
	Read(ctx context.Context) (State, error)

	// Preview is Apply that changes nothing: the same checks, the same Result.
	Preview(ctx context.Context, p Plan) (Result, error)

	// Apply makes the plan true, all of it or nothing: a crash at any moment leaves the state before or the state after,
	// never a mixture, and every single file is whole at every moment. A plan that changes nothing still repairs files
	// that are missing or were changed by hand, and repeats a reload that failed.
	//
	// ErrStale: the state is not the one that the plan was made for (Plan.Base); read, and plan anew. ErrProtected: the
	// plan changes what belongs to the PBX. tunnel.Findings: the plan breaks a rule (see Check). ErrReload: all is
	// written, but the PBX has not taken it up yet; the Result is right. ErrBusy: somebody else wrote until ctx ended, or
	// owns the place.
	Apply(ctx context.Context, p Plan) (Result, error)

	// Try says why Apply could not write where it would have to: it writes there, and takes that away again. The PBX
	// sees nothing of it. The errors are those of Apply.
	Try(ctx context.Context) error

	// Close frees what the adapter holds. Nothing else may be called afterwards.
	Close() error
}

// What Read and Apply say besides errors of the system and findings. Adapters wrap them.
var (
	ErrStale     = errors.New("the users of the PBX have changed since the plan was made")
	ErrProtected = errors.New("the PBX keeps this to itself")
	ErrReload    = errors.New("the PBX did not take up what was written")
	ErrDamaged   = errors.New("the record of users cannot be read")
	ErrBusy      = errors.New("somebody else writes here")
)

// Result is what Apply did, or what Preview would do.
type Result struct {
	Created, Updated, Unchanged int       // users; Unchanged are those of the plan's base that no step names
	Groups                      int       // groups put or dropped
	Files                       []string  // names of the files that were written anew, sorted
	Removed                     []string  // names of the files that were taken away since nobody asks for them any more, sorted
	Reloaded                    bool      // the PBX has been told to take them up, and did
	Refused                     []Refusal // fields that were left out, by user or group, then field
	Version                     string    // of the state that is now; of a preview, of the state before
}

// Changed reports whether anything was written.
func (r Result) Changed() bool { return r.Created+r.Updated+r.Groups+len(r.Files)+len(r.Removed) > 0 }
