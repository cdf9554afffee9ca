package boltstore

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/culvert-pbx/culvert/store"
	"github.com/culvert-pbx/culvert/store/internal/engine"
)

// Open opens the store in the file at path and makes it where there is none:
// mode 0600, in a directory of mode 0700. The caller closes it.
//
// ErrBusy: another process uses it. ErrNewer: a newer Culvert wrote it; the file
// is left as it is. ErrDamaged: it cannot be opened at all. A directory
// or file that is somebody else's, or a directory that others may write to, is
// refused. The text of each error says what to do.
//
// A file of an older schema is first copied to PATH.schema-N.
func Open(path string, opts Options) (*DB, error) {
	return open(path, opts, current)
}

func open(path string, opts Options, want schema) (*DB, error) {
	if opts.Timeout == 0 {
		opts.Timeout = 1500 * time.Millisecond
	}
	if opts.Backlog == 0 {
		opts.Backlog = 1024
	}
	if err := checkDir(path); err != nil {
		return nil, err
	}
	d := &DB{path: path, file: &lockedFile{}, gate: engine.NewGate()}
	if err := d.openFile(opts.Timeout); err != nil {
		return nil, err
	}
	if err := d.prepare(want, opts.Backlog); err != nil {
		return nil, errors.Join(err, d.closeFile())
	}
	return d, nil
}

// openFile opens the file with bbolt, which takes its lock and maps it.
func (d *DB) openFile(timeout time.Duration) error {
	err := guard("", func() (err error) {
		d.bolt, err = bolt.Open(d.path, 0o600, &bolt.Options{Timeout: timeout, OpenFile: d.file.open})
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: another daemon is using %s; stop it first, or give this one a state directory of its own", store.ErrBusy, d.path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		err = &store.DamagedError{Reason: err.Error()}
	}
	if errors.Is(err, store.ErrDamaged) {
		d.file.release()
		return d.damaged(err)
	}
	return err
}
