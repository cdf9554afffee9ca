package boltstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/culvert-pbx/culvert/store"
)

// fill makes changes until one fails, and returns how many did not.
func fill(t *testing.T, d *DB) (n int, failed error) {
	t.Helper()
	for ; n < 100; n++ {
		_, err := d.Update(t.Context(), func(tx store.Tx) error {
			return tx.Put(fmt.Sprintf("k/%03d", n), make([]byte, 10_000))
		})
		if err != nil {
			return n, err
		}
	}
	t.Fatal("100 changes fitted")
	return n, nil
}

func TestFullDiskRefusesTheChangeAndNothingElse(t *testing.T) {
	d := mustOpen(t, filepath.Join(t.TempDir(), "registry.db"))
	defer d.Close()
	_, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("a", nil) })
	if err != nil {
		t.Fatal(err)
	}
	size, err := os.Stat(d.path)
	if err != nil {
		t.Fatal(err)
	}

	d.bolt.MaxSize = int(size.Size()) + 50_000
	n, err := fill(t, d)
	if !errors.Is(err, store.ErrUnreachable) || !errors.Is(err, berrors.ErrMaxSizeReached) || !strings.Contains(err.Error(), d.path) {
		t.Errorf("the change failed with: %v", err)
	}
	count := 0
	before, err := d.View(t.Context(), func(r store.Reader) error {
		for _, err := range r.Scan("k/") {
			if err != nil {
				return err
			}
			count++
		}
		return nil
	})
	if err != nil || count != n {
		t.Errorf("%d changes were acknowledged and %d records are there, %v", n, count, err)
	}

	d.bolt.MaxSize = 0
	rev, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("b", nil) })
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	for c, err := range d.Watch(t.Context(), "", before) {
		if err != nil || c.Rev != rev || len(c.Puts) != 1 {
			t.Errorf("watched %v, %v", c, err)
		}
		break
	}
}

// A commit whose error came too late to stop it is seen by those who read; so
// those who watch are told to read again.
func TestFailedCommitThatShowsEndsTheWatches(t *testing.T) {
	d := mustOpen(t, filepath.Join(t.TempDir(), "registry.db"))
	defer d.Close()
	start, err := d.View(t.Context(), func(store.Reader) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	// A change that nobody is told of, and one that fails: as if they were the same.
	if _, err := write(d.bolt, store.Change{Puts: []store.Record{{Key: "a"}}}); err != nil {
		t.Fatal(err)
	}
	failOne(t, d)
	for c, err := range d.Watch(t.Context(), "", start) {
		if !errors.Is(err, store.ErrGone) {
			t.Errorf("watched %v, %v", c, err)
		}
	}

	// One that fails and does not show leaves those who watch alone.
	now, err := d.View(t.Context(), func(store.Reader) error { return nil })
	if err != nil || !now.After(start) {
		t.Fatal(now, err)
	}
	failOne(t, d)
	rev, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("b", nil) })
	for c, watchErr := range d.Watch(t.Context(), "", now) {
		if err != nil || watchErr != nil || c.Rev != rev {
			t.Errorf("watched %v, %v, want %v, %v", c, watchErr, rev, err)
		}
		break
	}
}

// failOne makes a change that fails for lack of room.
func failOne(t *testing.T, d *DB) {
	t.Helper()
	info, err := os.Stat(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.bolt.MaxSize = int(info.Size())
	_, err = d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("big", make([]byte, 200_000)) })
	if !errors.Is(err, store.ErrUnreachable) {
		t.Fatalf("the change failed with: %v", err)
	}
	d.bolt.MaxSize = 0
}

// A file that is gone from its place takes no change: it would be acknowledged and lost with the process.
func TestARemovedFileTakesNoChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	d := mustOpen(t, path)
	defer d.Close()
	put := func() error {
		_, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("a", []byte(fmt.Sprint(os.Getpid(), t.Name()))) })
		return err
	}
	aside := path + ".aside"
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, store.ErrUnreachable) || !strings.Contains(err.Error(), path) {
		t.Errorf("removed: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("replaced: %v", err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("put back: %v", err)
	}
}
