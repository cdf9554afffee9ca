package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/culvert-pbx/culvert/store"
)

// put returns a step of a migration that writes one record.
func put(key, value string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket(recordsBucket).Put([]byte(key), seal(key, []byte(value))) }
}

var errStep = errors.New("no good")

func failing(*bolt.Tx) error { return errStep }

// records opens path at schema s, reads everything and closes it again.
func records(t *testing.T, path string, s schema) (all map[string]string) {
	t.Helper()
	d, err := open(path, Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all = map[string]string{}
	_, err = d.View(t.Context(), func(r store.Reader) error {
		for rec, err := range r.Scan("") {
			if err != nil {
				return err
			}
			all[rec.Key] = string(rec.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNewerSchemaIsLeftUntouched(t *testing.T) {
	path := filled(t, 3)
	newer := schema{first: 1, steps: []func(*bolt.Tx) error{put("new", "1")}}
	records(t, path, newer)
	if err := os.Remove(path + ".schema-1"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the refusal lets go of the file
		_, err = Open(path, Options{})
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema 2") {
			t.Fatalf("Open: %v", err)
		}
	}
	after, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(before, after) || !info.ModTime().Equal(long) {
		t.Errorf("the file was touched: %v", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("files beside it: %v", files)
	}
	if all := records(t, path, newer); len(all) != 4 {
		t.Errorf("the newer one reads %q", all)
	}
}

func TestOlderSchemaIsCopiedThenMigrated(t *testing.T) {
	path := filled(t, 3)
	rev := revision(t, path, current)
	next := schema{first: 1, steps: []func(*bolt.Tx) error{put("k/000", "two"), put("three", "3")}}

	all := records(t, path, next)
	if len(all) != 4 || all["k/000"] != "two" || all["three"] != "3" {
		t.Errorf("after the migration: %q", all)
	}
	if now := revision(t, path, next); !now.After(rev) {
		t.Errorf("the revision went from %v to %v", rev, now)
	}

	aside := path + ".schema-1"
	if info, err := os.Stat(aside); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the copy: %v, %v", info, err)
	}
	if all := records(t, aside, current); len(all) != 3 || all["k/000"] != "value of k/000" {
		t.Errorf("the copy holds %q", all)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	path := filled(t, 3)
	broken := schema{first: 1, steps: []func(*bolt.Tx) error{put("k/000", "two"), failing}}
	for range 2 { // again, with the copy already there
		_, err := open(path, Options{}, broken)
		if !errors.Is(err, errStep) || !strings.Contains(err.Error(), "stays at schema 1: the step from 2") {
			t.Fatalf("open: %v", err)
		}
	}
	if all := records(t, path, current); len(all) != 3 || all["k/000"] != "value of k/000" {
		t.Errorf("it holds %q", all)
	}
}

func TestMigrationNeedsItsCopy(t *testing.T) {
	path := filled(t, 1)
	if err := os.MkdirAll(filepath.Join(path+".schema-1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := open(path, Options{}, schema{first: 1, steps: []func(*bolt.Tx) error{put("a", "")}})
	if err == nil || !strings.Contains(err.Error(), "could not be copied first") {
		t.Fatalf("open: %v", err)
	}
	if all := records(t, path, current); len(all) != 1 {
		t.Errorf("it holds %q", all)
	}
}

func TestTooOldSchemaIsRefused(t *testing.T) {
	path := filled(t, 1)
	_, err := open(path, Options{}, schema{first: 3})
	if err == nil || !strings.Contains(err.Error(), "schema 1, which is older") {
		t.Errorf("open: %v", err)
	}
}

func TestForeignBoltFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
}

func revision(t *testing.T, path string, s schema) store.Rev {
	t.Helper()
	d, err := open(path, Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rev, err := d.View(t.Context(), func(store.Reader) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
