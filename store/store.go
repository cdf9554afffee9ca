// Package store is the contract for keeping records across restarts. The
// registry is its only user; boltstore keeps the records in one file, and the
// contract promises nothing that a distributed engine could not promise too.
//
// Records are small documents under keys. One change writes several of them,
// whole or not at all, and gives the store a new revision. Whoever has read the
// records as of one revision can watch every change after it without a gap.
//
// Package storetest holds the suite that every implementation passes.
package store

import (
	"context"
	"iter"
)

// What one change and one record may hold. A change is counted by its outcome:
// keys whose value differs from the stored one, with their values.
const (
	MaxKey         = 512       // bytes of a key
	MaxRecord      = 256 << 10 // bytes of a value
	MaxChangeKeys  = 100       // keys a change puts or deletes
	MaxChangeBytes = 1 << 20   // bytes of those keys and values together
)

// Store keeps records. All methods may be called at the same time from any
// goroutine. After the store is closed they answer ErrUnreachable.
type Store interface {
	// View runs f on the records as of one revision, which it returns. It holds
	// up no writer for long, but f must be short and must not call the store.
	//
	// It returns f's error as it is, and ctx's error where ctx has ended.
	View(ctx context.Context, f func(Reader) error) (Rev, error)

	// Update runs f and then makes its changes durable, all of them or none. It
	// returns the revision at which they can be seen: a new, higher one, or the
	// present one where f wrote nothing that differs from what is stored.
	//
	// f may run more than once, each time on a fresh Tx; only the last run
	// counts. So it must touch nothing outside tx but variables that it sets
	// anew in each run. It must be short and must not call the store.
	//
	// f's error is returned as it is and nothing is written. ErrTooBig: the
	// change exceeds a limit. ErrBusy: other changes came first each time.
	// ErrUnreachable: not written, or not known to be; a later View tells.
	Update(ctx context.Context, f func(Tx) error) (Rev, error)

	// Watch yields the changes after the given revision, in order and each
	// commit as one Change, less what is not under prefix; commits with nothing
	// under prefix are left out. It waits for further ones until ctx ends.
	//
	// The last thing it yields, unless the loop is left, is an error: ctx's;
	// ErrGone where the changes after that revision are no longer (or not yet)
	// known, so read the records again with View and watch from there;
	// ErrUnreachable. A slow loop never holds up a writer: it ends in ErrGone.
	Watch(ctx context.Context, prefix string, after Rev) iter.Seq2[Change, error]
}

// Reader reads the records as of one revision. It may be used only inside the
// function that it was given to, by one goroutine at a time.
type Reader interface {
	// Get returns the value under key, a copy that is the caller's own. Errors:
	// ErrNotFound, ErrDamaged, ErrKey.
	Get(key string) ([]byte, error)

	// Scan yields the records whose keys begin with prefix, in the byte order of
	// their keys; an empty prefix means all. A damaged record yields its
	// *DamagedError, with its key in the Record and no value, and the loop goes
	// on with the next. What a Tx writes during the loop does not show in it.
	Scan(prefix string) iter.Seq2[Record, error]
}

// Tx is a Reader that sees its own writes.
type Tx interface {
	Reader

	// Put stores a copy of value under key. Errors: ErrTooBig for a value over
	// MaxRecord, ErrKey; the whole Update then fails with it, even where f goes on.
	Put(key string, value []byte) error

	// Delete removes key; one that is not there is no error. A damaged record is
	// removed like any other. Errors: ErrKey, as in Put.
	Delete(key string) error
}

// Record is one value under its key.
type Record struct {
	Key   string
	Value []byte
}

// Change is what one commit wrote under a watched prefix, in key order. It is
// shared by all who watch: read it, never write to it.
type Change struct {
	Rev     Rev
	Puts    []Record
	Deletes []string
}
