package boltstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"github.com/culvert-pbx/culvert/store"
	"github.com/culvert-pbx/culvert/store/internal/engine"
)

// A file has two buckets: the records, and what is to be known before they can be read.
var (
	recordsBucket = []byte("records")
	metaBucket    = []byte("meta")
)

const schemaKey = "schema" // in meta: the schema's version in digits, kept like a record

// ErrNewer is for a file that a newer Culvert has written.
var ErrNewer = errors.New("written by a newer Culvert")

// schema is a version of the layout of the file. steps[i] leads from version
// first+i to the next.
type schema struct {
	first int
	steps []func(*bolt.Tx) error
}

// current is the layout that this package reads and writes.
var current = schema{first: 1}

func (s schema) version() int { return s.first + len(s.steps) }

// prepare brings the opened file to the wanted schema and gets ready to serve it.
func (d *DB) prepare(want schema, backlog int) error {
	err := guard("", func() error { return d.adopt(want) })
	if note(&d.unreadable, err) {
		return d.damaged(err)
	}
	if err != nil {
		return err
	}
	r, err := d.begin()
	if err != nil {
		return err
	}
	d.recent = engine.NewRecent(r.rev, backlog)
	d.end(r)
	return nil
}

// adopt looks at the file's version and makes it the wanted one.
func (d *DB) adopt(want schema) error {
	have, err := d.version()
	switch {
	case err != nil:
		return err
	case have == want.version():
		return nil
	case have == 0:
		return d.create(want)
	case have > want.version():
		return fmt.Errorf("%w: %s has schema %d and this one knows up to %d, so it was left untouched; start the newer Culvert, or put back a copy from before the update",
			ErrNewer, d.path, have, want.version())
	}
	return d.migrate(have, want)
}

// version returns the version of the file's schema, 0 where it is new.
func (d *DB) version() (version int, err error) {
	err = d.bolt.View(func(tx *bolt.Tx) error {
		if first, _ := tx.Cursor().First(); first == nil {
			return nil
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil || tx.Bucket(recordsBucket) == nil {
			return &store.DamagedError{Reason: "it is not a store of Culvert's"}
		}
		kept, err := unseal(schemaKey, meta.Get([]byte(schemaKey)))
		if err != nil {
			return err
		}
		version, err = strconv.Atoi(string(kept))
		return err
	})
	return version, err
}

// create lays out a new file.
func (d *DB) create(want schema) error {
	err := d.bolt.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(recordsBucket)
		_, err2 := tx.CreateBucket(metaBucket)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return setVersion(tx, want.version())
	})
	return errors.Join(err, syncDir(filepath.Dir(d.path)))
}

// migrate copies the file aside and then takes every step in one transaction.
func (d *DB) migrate(have int, want schema) error {
	if have < want.first {
		return fmt.Errorf("%s has schema %d, which is older than what this Culvert can bring up to date (%d)", d.path, have, want.first)
	}
	if err := d.copyAside(fmt.Sprintf("%s.schema-%d", d.path, have)); err != nil {
		return fmt.Errorf("%s was not brought up to date, because it could not be copied first: %w", d.path, err)
	}
	return d.bolt.Update(func(tx *bolt.Tx) error {
		for i, step := range want.steps[have-want.first:] {
			if err := step(tx); err != nil {
				return fmt.Errorf("%s stays at schema %d: the step from %d failed: %w", d.path, have, have+i, err)
			}
		}
		return setVersion(tx, want.version())
	})
}

func setVersion(tx *bolt.Tx, version int) error {
	return tx.Bucket(metaBucket).Put([]byte(schemaKey), seal(schemaKey, []byte(strconv.Itoa(version))))
}

// copyAside writes a copy of the file to path, which then holds all of it or is
// as it was.
func (d *DB) copyAside(path string) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = d.bolt.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(temp, path), syncDir(filepath.Dir(path)))
}
