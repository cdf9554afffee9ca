package store

import (
	"fmt"
	"strconv"
)

// Rev is a revision of a whole store. It rises with every change, by one or by
// more; nothing may be read from the distance of two. The zero Rev comes before
// every revision that a store can have. Revs of one store compare with ==.
type Rev struct{ n uint64 }

// RevAt makes the revision with the given rank. It is for implementations.
func RevAt(n uint64) Rev { return Rev{n} }

// ParseRev reads what String wrote.
func ParseRev(s string) (Rev, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return Rev{}, fmt.Errorf("%.40q is not a revision: it is a number in digits", s)
	}
	return Rev{n}, nil
}

// After reports whether r is newer than other.
func (r Rev) After(other Rev) bool { return r.n > other.n }

// Less reports whether r is older than other.
func (r Rev) Less(other Rev) bool { return r.n < other.n }

// String returns r in decimal digits.
func (r Rev) String() string { return strconv.FormatUint(r.n, 10) }
