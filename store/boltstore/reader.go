package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

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

// newReader begins a transaction; end must follow.
func newReader(db *bolt.DB) (*reader, error) {
	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &reader{rev: revOf(tx), tx: tx, records: tx.Bucket(recordsBucket)}, nil
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
		c := cursor{r: r, prefix: []byte(prefix), at: prefix}
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
	prefix []byte
	bolt   *bolt.Cursor
	at     string // the last key seen
	lost   bool   // the structure around it is damaged: there is no way on

	rec store.Record
	err error // of rec
}

// next moves on and reports whether there is a record or an error.
func (c *cursor) next() bool {
	if c.lost {
		return false
	}
	more := false
	err := guard(c.at, func() error {
		key, kept, err := c.step()
		if err != nil || key == nil || !bytes.HasPrefix(key, c.prefix) {
			return err
		}
		more = true
		c.read(string(key), kept)
		return nil
	})
	if err != nil {
		c.rec, c.err, c.lost = store.Record{Key: c.at}, err, true
	}
	return more || err != nil
}

func (c *cursor) step() (key, kept []byte, err error) {
	if c.r.records == nil {
		return nil, nil, errEnded
	}
	if c.bolt == nil {
		c.bolt = c.r.records.Cursor()
		key, kept = c.bolt.Seek(c.prefix)
	} else {
		key, kept = c.bolt.Next()
	}
	return key, kept, nil
}

func (c *cursor) read(key string, kept []byte) {
	c.at = key
	value, err := unseal(key, kept)
	c.rec, c.err = store.Record{Key: key, Value: value}, err
}
