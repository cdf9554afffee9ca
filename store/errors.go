package store

import (
	"errors"
	"fmt"
)

// The errors of a store. Implementations wrap them with what was touched; ask
// with errors.Is.
var (
	ErrNotFound    = errors.New("no such record")
	ErrGone        = errors.New("the changes after that revision are no longer known: read the records again")
	ErrTooBig      = errors.New("too big")
	ErrDamaged     = errors.New("damaged")
	ErrBusy        = errors.New("busy")
	ErrUnreachable = errors.New("the store cannot be reached")
	ErrKey         = errors.New("not a key")
)

// DamagedError names the record that is damaged; it is an ErrDamaged. Where the
// damage is not in one record, Key is the key near which it was met, or empty.
// Key may hold any bytes: quote it before it is shown.
type DamagedError struct {
	Key    string
	Reason string
}

func (e *DamagedError) Error() string {
	if e.Key == "" {
		return "damaged: " + e.Reason
	}
	return fmt.Sprintf("record %q is damaged: %s", e.Key, e.Reason)
}

// Is makes a DamagedError an ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }
