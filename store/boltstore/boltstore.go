// Package boltstore is the store in one file, on bbolt. The daemon opens it at
// start and hands it to the registry.
//
// What it promises beyond the contract of package store: a change that Update
// has acknowledged survives kill -9 and power loss. One process at a time uses
// the file. Every record carries a SHA-256 over its key and value that is
// checked whenever it is read, because bbolt itself has no checksum on data: a
// flipped byte is ErrDamaged, for that record alone. And what makes bbolt panic
// or fault on a damaged file comes back as ErrDamaged too.
package boltstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/culvert-pbx/culvert/store"
	"github.com/culvert-pbx/culvert/store/internal/engine"
)

// Options tune a DB; the zero value is what the daemon uses.
type Options struct {
	// Timeout is how long Open waits for another process to let go of the file;
	// 0 means 1.5 s.
	Timeout time.Duration
	// Backlog is how many changes are kept in memory for those who watch; one
	// that falls further behind is told ErrGone. 0 means 1024.
	Backlog int
}

// DB is an open store. It implements store.Store.
type DB struct {
	path   string
	bolt   *bolt.DB
	file   *lockedFile
	gate   *engine.Gate
	recent *engine.Recent

	// Set once bbolt has panicked where it may have kept its locks: to ask it again
	// could hang. Reading goes on where only writing has failed.
	unreadable atomic.Pointer[store.DamagedError]
	unwritable atomic.Pointer[store.DamagedError]

	close sync.Once
}

var _ store.Store = (*DB)(nil)

// View is store.Store's.
func (d *DB) View(ctx context.Context, f func(store.Reader) error) (store.Rev, error) {
	if err := ctx.Err(); err != nil {
		return store.Rev{}, err
	}
	r, err := d.begin()
	if err != nil {
		return store.Rev{}, err
	}
	defer d.end(r)
	if err := f(r); err != nil {
		return store.Rev{}, err
	}
	return r.rev, nil
}

// Update is store.Store's. Here f runs once, on the records as they are; it only
// drafts the change, and bbolt's write transaction lasts from the end of f to the
// end of the commit.
func (d *DB) Update(ctx context.Context, f func(store.Tx) error) (store.Rev, error) {
	if err := d.gate.Enter(ctx); err != nil {
		return store.Rev{}, err
	}
	defer d.gate.Leave()

	var c store.Change
	rev, err := d.View(ctx, func(r store.Reader) (err error) {
		c, err = engine.Outcome(r, f)
		return err
	})
	if err != nil || len(c.Puts)+len(c.Deletes) == 0 {
		return rev, err
	}
	if err := ctx.Err(); err != nil {
		return store.Rev{}, err
	}
	return d.commit(c)
}

// Watch is store.Store's. Only changes made since the store was opened are known.
func (d *DB) Watch(ctx context.Context, prefix string, after store.Rev) iter.Seq2[store.Change, error] {
	return d.recent.Watch(ctx, prefix, after)
}

// Close ends every Watch, waits for the running View and Update and lets go of
// the file. Calling it again does nothing.
func (d *DB) Close() (err error) {
	d.close.Do(func() {
		d.recent.Close()
		d.gate.Close()
		err = d.closeFile()
	})
	return err
}

func (d *DB) closeFile() error {
	if d.unreadable.Load() != nil || d.unwritable.Load() != nil {
		d.file.release()
		return nil
	}
	return guard("", d.bolt.Close)
}

// Verify reads every record and returns one *store.DamagedError for each that is
// damaged, joined. The daemon calls it at start, so that damage is told
// before somebody needs the record.
func (d *DB) Verify(ctx context.Context) error {
	var found []error
	_, err := d.View(ctx, func(r store.Reader) error {
		for _, err := range r.Scan("") {
			if err != nil {
				found = append(found, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	return errors.Join(append(found, err)...)
}

// commit makes c durable, then tells those who watch. The caller is inside the gate.
func (d *DB) commit(c store.Change) (store.Rev, error) {
	if damaged := d.unwritable.Load(); damaged != nil {
		return store.Rev{}, d.damaged(damaged)
	}
	if err := d.file.inPlace(d.path); err != nil {
		return store.Rev{}, fmt.Errorf("%w: %w", store.ErrUnreachable, err)
	}
	err := guard("", func() (err error) {
		c.Rev, err = write(d.bolt, c)
		return err
	})
	if err == nil {
		d.recent.Add(c)
		return c.Rev, nil
	}
	if note(&d.unwritable, err) {
		return store.Rev{}, d.damaged(err)
	}
	d.resync()
	return store.Rev{}, fmt.Errorf("%w: %s could not be written: %w", store.ErrUnreachable, d.path, err)
}

// write applies c in one bbolt transaction and returns its revision.
func write(db *bolt.DB, c store.Change) (store.Rev, error) {
	tx, err := db.Begin(true)
	if err != nil {
		return store.Rev{}, err
	}
	rev, records := revOf(tx), tx.Bucket(recordsBucket)
	for _, r := range c.Puts {
		err = errors.Join(err, records.Put([]byte(r.Key), seal(r.Key, r.Value)))
	}
	for _, key := range c.Deletes {
		err = errors.Join(err, records.Delete([]byte(key)))
	}
	if err != nil {
		return rev, errors.Join(err, tx.Rollback())
	}
	return rev, tx.Commit()
}

// resync is for a commit that failed: where it became visible all the same (its
// last sync failed), those who watch must read again, since nobody told them.
func (d *DB) resync() {
	if r, err := d.begin(); err == nil {
		d.recent.Jump(r.rev)
		d.end(r)
	}
}

// begin starts reading; end must follow.
func (d *DB) begin() (*reader, error) {
	if damaged := d.unreadable.Load(); damaged != nil {
		return nil, d.damaged(damaged)
	}
	r := &reader{}
	err := guard("", func() (err error) {
		r.tx, err = d.bolt.Begin(false)
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return nil, engine.ErrClosed
	case note(&d.unreadable, err):
		return nil, d.damaged(err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s could not be read: %w", store.ErrUnreachable, d.path, err)
	}
	if err := guard("", r.open); err != nil {
		d.end(r)
		return nil, d.damaged(err)
	}
	return r, nil
}

func (d *DB) end(r *reader) { note(&d.unreadable, guard("", r.end)) }

// note reports whether err is damage, and keeps the first in mark.
func note(mark *atomic.Pointer[store.DamagedError], err error) bool {
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) {
		return false
	}
	mark.CompareAndSwap(nil, damaged)
	return true
}

// damaged adds to err, which is damage of the whole file, what to do.
func (d *DB) damaged(err error) error {
	return fmt.Errorf("%w; with the daemon stopped, move %s aside and put back a copy from before the damage, or start anew without it", err, d.path)
}

// revOf is the revision that tx reads, or will have written: bbolt's transaction
// number. It is in the file's checked head, changes in the transaction itself,
// and only ever rises.
func revOf(tx *bolt.Tx) store.Rev { return store.RevAt(uint64(tx.ID())) }
