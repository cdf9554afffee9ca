package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// lockName is held while something is written, and says for whose record: a directory has one owner. It stays: to remove a
// file that is locked is to make two locks.
const lockName = ".culvert.lock"

// again is how long a lock that somebody else has is left alone.
const again = 20 * time.Millisecond

// whileLocked calls f while nobody else writes. It waits for others until ctx ends.
func (a *Adapter) whileLocked(ctx context.Context, f func() error) (err error) {
	lock, err := a.out.root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return a.out.unwritten(err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", pbx.ErrBusy, ctx.Err())
		case <-time.After(again):
		}
	}
	if err := a.own(lock); err != nil {
		return err
	}
	return f()
}

// own makes the directory that of this record, or refuses where it is another's.
func (a *Adapter) own(lock *os.File) error {
	record, err := filepath.Abs(a.record.root.Name())
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(lock, 4096))
	if err != nil {
		return err
	}
	switch owner := strings.TrimSpace(string(text)); owner {
	case record:
		return nil
	case "":
		_, err := lock.WriteString(record + "\n")
		return err
	default:
		dir := a.out.root.Name()
		return fmt.Errorf("%w: %s belongs to the record in %q; give this configuration another directory, or remove %s where that record is no more",
			pbx.ErrBusy, dir, owner, filepath.Join(dir, lockName))
	}
}
