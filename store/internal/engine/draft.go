package engine

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/store"
)

// draft is store.Tx: the records as they are, and over them what the change has
// written so far.
type draft struct {
	under   store.Reader
	written map[string][]byte // nil: deleted
	failed  error             // the first refused write, which fails the change
}

// Outcome runs f on a Tx over r and returns what it changes, without a revision:
// nothing where all that f wrote is stored already. The errors are f's, and those
// that store.Store promises for a change that breaks a limit.
func Outcome(r store.Reader, f func(store.Tx) error) (store.Change, error) {
	d := &draft{under: r, written: map[string][]byte{}}
	if err := f(d); err != nil {
		return store.Change{}, err
	}
	if d.failed != nil {
		return store.Change{}, d.failed
	}
	return d.change()
}

// Put is store.Tx's.
func (d *draft) Put(key string, value []byte) error {
	if len(value) > store.MaxRecord {
		return d.refuse(fmt.Errorf("%w: record %q has %d bytes, at most %d", store.ErrTooBig, key, len(value), store.MaxRecord))
	}
	return d.write(key, append([]byte{}, value...))
}

// Delete is store.Tx's.
func (d *draft) Delete(key string) error { return d.write(key, nil) }

func (d *draft) write(key string, value []byte) error {
	if err := store.CheckKey(key); err != nil {
		return d.refuse(err)
	}
	d.written[key] = value
	return nil
}

func (d *draft) refuse(err error) error {
	if d.failed == nil {
		d.failed = err
	}
	return err
}

// Get is store.Reader's.
func (d *draft) Get(key string) ([]byte, error) {
	value, ok := d.written[key]
	switch {
	case !ok:
		return d.under.Get(key)
	case value == nil:
		return nil, fmt.Errorf("%w: %q", store.ErrNotFound, key)
	}
	return bytes.Clone(value), nil
}

// Scan is store.Reader's: a merge of what is below with what was written when the
// loop began.
func (d *draft) Scan(prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		mine := d.writtenUnder(prefix)
		for rec, err := range d.under.Scan(prefix) {
			n := 0
			for n < len(mine) && mine[n].Key <= rec.Key {
				n++
			}
			hidden := n > 0 && mine[n-1].Key == rec.Key
			if !yieldPuts(mine[:n], yield) || !hidden && !yield(rec, err) {
				return
			}
			mine = mine[n:]
		}
		yieldPuts(mine, yield)
	}
}

// writtenUnder lists what was written under prefix, in key order.
func (d *draft) writtenUnder(prefix string) []store.Record {
	var mine []store.Record
	for _, key := range slices.Sorted(maps.Keys(d.written)) {
		if strings.HasPrefix(key, prefix) {
			mine = append(mine, store.Record{Key: key, Value: d.written[key]})
		}
	}
	return mine
}

// yieldPuts yields a copy of each record that is not a deletion.
func yieldPuts(recs []store.Record, yield func(store.Record, error) bool) bool {
	for _, r := range recs {
		if r.Value != nil && !yield(store.Record{Key: r.Key, Value: bytes.Clone(r.Value)}, nil) {
			return false
		}
	}
	return true
}

// change is what was written less what was stored like that already, within the
// limits of one change.
func (d *draft) change() (c store.Change, err error) {
	size := 0
	for _, r := range d.writtenUnder("") {
		differs, err := d.differs(r)
		switch {
		case err != nil:
			return c, err
		case !differs:
			continue
		case r.Value == nil:
			c.Deletes = append(c.Deletes, r.Key)
		default:
			c.Puts = append(c.Puts, r)
		}
		size += len(r.Key) + len(r.Value)
	}
	if n := len(c.Puts) + len(c.Deletes); n > store.MaxChangeKeys || size > store.MaxChangeBytes {
		return c, fmt.Errorf("%w: a change of %d keys and %d bytes, at most %d and %d",
			store.ErrTooBig, n, size, store.MaxChangeKeys, store.MaxChangeBytes)
	}
	return c, nil
}

// differs reports whether r is not what is stored; a damaged record differs from
// everything, so it can be replaced and removed.
func (d *draft) differs(r store.Record) (bool, error) {
	stored, err := d.under.Get(r.Key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return r.Value != nil, nil
	case errors.Is(err, store.ErrDamaged):
		return true, nil
	case err != nil:
		return false, err
	}
	return r.Value == nil || !bytes.Equal(r.Value, stored), nil
}
