package boltstore

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/culvert-pbx/culvert/store"
)

// reader is store.Reader on one bbolt transaction. bbolt's memory is valid only
// inside it, so all that leaves is a copy.
type reader struct {
	rev     store.Rev
	tx      *bolt.Tx
	records *bolt.Bucket // nil once the transaction has ended
}

// open makes r ready, once its transaction has begun.
func (r *reader) open() error {
	r.rev, r.records = revOf(r.tx), r.tx.Bucket(recordsBucket)
	if r.records == nil {
		return &store.DamagedError{Reason: "its records are gone"}
	}
	return nil
}

func (r *reader) end() error {
	r.records = nil
	return r.tx.Rollback()
}

var errEnded = errors.New("a store.Reader was used after its transaction had ended")

// Get is store.Reader's.
func (r *reader) Get(key string) (value []byte, err error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	if r.records == nil {
		return nil, errEnded
	}
	err = guard(key, func() error {
		kept := r.records.Get([]byte(key))
		if kept == nil {
			return fmt.Errorf("%w: %q", store.ErrNotFound, key)
		}
		value, err = unseal(key, kept)
		return err
	})
	return value, err
}

// Scan is store.Reader's.
func (r *reader) Scan(prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		c := cursor{r: r, prefix: prefix, rec: store.Record{Key: prefix}}
		for c.next() {
			if !yield(c.rec, c.err) {
				return
			}
		}
	}
}

// cursor walks over the records under prefix. Each of its steps is guarded by
// itself, so that what the loop's body does is not.
type cursor struct {
	r      *reader
	prefix string
	bolt   *bolt.Cursor
	lost   bool // the structure is damaged: there is no way on

	rec store.Record
	err error // of rec
}

// next moves on and reports whether there is a record or an error.
func (c *cursor) next() bool {
	if c.lost {
		return false
	}
	key, kept, err := c.step()
	if err != nil {
		c.rec.Value, c.err, c.lost = nil, err, true
		return true
	}
	if kept == nil || !strings.HasPrefix(key, c.prefix) {
		return false
	}
	c.rec = store.Record{Key: key}
	c.err = guard(key, func() (err error) {
		c.rec.Value, err = unseal(key, kept)
		return err
	})
	return true
}

// step returns the next key and what is kept under it; kept is nil at the end.
func (c *cursor) step() (key string, kept []byte, err error) {
	if c.r.records == nil {
		return "", nil, errEnded
	}
	err = guard(c.rec.Key, func() error {
		var k []byte
		if c.bolt == nil {
			c.bolt = c.r.records.Cursor()
			k, kept = c.bolt.Seek([]byte(c.prefix))
		} else {
			k, kept = c.bolt.Next()
		}
		key = string(k[:min(len(k), store.MaxKey)]) // where it is longer, its checksum will not match
		return nil
	})
	return key, kept, err
}
