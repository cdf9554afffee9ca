package boltstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/culvert-pbx/culvert/store"
)

// filled makes a closed store of n records "k/000=value of k/000", ...
func filled(t *testing.T, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "registry.db")
	d := mustOpen(t, path)
	_, err := d.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			key := fmt.Sprintf("k/%03d", i)
			if err := tx.Put(key, []byte("value of "+key)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// page is the size of a page of the files made here.
var page = int64(os.Getpagesize())

// scribble changes the file at path as edit says.
func scribble(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, edit(content), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scan sorts the records under k/ into sound ones, checked, and damaged ones.
func scan(t *testing.T, r store.Reader) (sound int, damaged []string) {
	t.Helper()
	for rec, err := range r.Scan("k/") {
		var d *store.DamagedError
		switch {
		case errors.As(err, &d) && errors.Is(err, store.ErrDamaged) && d.Key == rec.Key && rec.Value == nil:
			damaged = append(damaged, d.Key)
		case err != nil:
			t.Errorf("scan: %v", err)
		case string(rec.Value) != "value of "+rec.Key:
			t.Errorf("record %q gave %q", rec.Key, rec.Value)
		default:
			sound++
		}
	}
	return sound, damaged
}

func TestFlippedByteIsFoundAndTheRestIsUsed(t *testing.T) {
	path := filled(t, 9)
	scribble(t, path, func(b []byte) []byte {
		i := bytes.Index(b, []byte("value of k/004"))
		b[i+3] ^= 1
		return b
	})
	d := mustOpen(t, path)
	defer d.Close()

	_, err := d.View(t.Context(), func(r store.Reader) error {
		if value, err := r.Get("k/004"); !errors.Is(err, store.ErrDamaged) || value != nil {
			t.Errorf("Get gave %q, %v", value, err)
		}
		if sound, damaged := scan(t, r); sound != 8 || len(damaged) != 1 || damaged[0] != "k/004" {
			t.Errorf("scan found %d sound records and damage in %q", sound, damaged)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := d.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "k/004") {
		t.Errorf("Verify: %v", err)
	}

	// The damaged record can be replaced, even by what it held.
	_, err = d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("k/004", []byte("value of k/004")) })
	if err := errors.Join(err, d.Verify(t.Context())); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

func TestDamagedRecordCanBeDeleted(t *testing.T) {
	path := filled(t, 3)
	scribble(t, path, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("value of k/001"), []byte("value of k/002")) })
	d := mustOpen(t, path)
	defer d.Close()
	_, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Delete("k/001") })
	if err := errors.Join(err, d.Verify(t.Context())); err != nil {
		t.Error(err)
	}
}

// A record that stands under another key than it was written under is damaged,
// whatever part of its key or value moved.
func TestRecordBelongsToItsKey(t *testing.T) {
	path := filled(t, 3)
	d := mustOpen(t, path)
	defer d.Close()
	for key, kept := range map[string][]byte{
		"k/moved": seal("k/000", []byte("value of k/000")),
		"k/shift": append(seal("k/s", []byte("hiftvalue"))[:sha256.Size], "value"...),
		"k/short": []byte("too short for a sum"),
		"k/empty": {},
	} {
		err := d.bolt.Update(func(tx *bolt.Tx) error { return tx.Bucket(recordsBucket).Put([]byte(key), kept) })
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.View(t.Context(), func(r store.Reader) error {
			_, err := r.Get(key)
			return err
		})
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Whatever bytes of the file change: opening and reading give records as they
// were written or an error, and the process lives.
func TestScribbledFiles(t *testing.T) {
	good, err := os.ReadFile(filled(t, 90))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "registry.db")
	refused, found := 0, 0
	for range 300 {
		bad := bytes.Clone(good)
		at := random.IntN(len(bad) - 8)
		for i := range 8 {
			bad[at+i] = byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			bad = bad[:random.IntN(len(bad))]
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path, Options{})
		if err != nil {
			refused++
			continue
		}
		if _, err = d.View(t.Context(), func(r store.Reader) error {
			if _, damaged := scan(t, r); len(damaged) > 0 {
				found++
			}
			return nil
		}); err != nil {
			found++
		}
		if err := d.Close(); err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Errorf("close: %v", err)
		}
	}
	t.Logf("of 300 files %d were refused and %d had damage that reading found", refused, found)
	if refused == 0 || found == 0 {
		t.Error("the test damaged too little to show anything")
	}
}

// A file that is cut short under a running daemon faults in the mapped pages; that
// is an error and no end of the process. Reading works again with the file, writing
// after the next start, and nothing hangs meanwhile.
func TestFileCutShortWhileOpen(t *testing.T) {
	path := filled(t, 90)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, path)
	get := func() error {
		_, err := d.View(t.Context(), func(r store.Reader) error {
			_, err := r.Get("k/050")
			return err
		})
		return err
	}
	put := func() error {
		_, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("new", nil) })
		return err
	}
	wantDamage := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "put back a copy") {
			t.Errorf("%s: %v", what, err)
		}
	}

	if err := os.Truncate(path, 2*page); err != nil {
		t.Fatal(err)
	}
	wantDamage("reading a file cut short", get())
	wantDamage("writing it", put())
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Errorf("reading it whole again: %v", err)
	}
	if err := put(); err != nil {
		t.Errorf("writing it whole again: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// A change that meets damage in the structure is refused, and so is each later
// one, which would else wait for ever for bbolt's lock. Reading goes on.
func TestWritingStopsAtDamageAndReadingGoesOn(t *testing.T) {
	path := filled(t, 90)
	d := mustOpen(t, path)
	wipeLeavesBut(t, path, "k/000")
	for range 2 {
		_, err := d.Update(t.Context(), func(tx store.Tx) error {
			var errs []error
			for i := range 25 { // so many that bbolt merges the page with the next
				errs = append(errs, tx.Delete(fmt.Sprintf("k/%03d", i)))
			}
			return errors.Join(errs...)
		})
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "put back a copy") {
			t.Errorf("Update: %v", err)
		}
	}
	for range 2 { // also after the next start
		_, err := d.View(t.Context(), func(r store.Reader) error {
			if sound, damaged := scan(t, r); sound < 25 || len(damaged) != 1 {
				t.Errorf("%d records are sound, damage is at %q", sound, damaged)
			}
			_, err := r.Get("k/024")
			return err
		})
		if err != nil {
			t.Errorf("View: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d = mustOpen(t, path)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// wipeLeavesBut zeroes the pages of records that do not hold the given one, in the
// file as it is open.
func wipeLeavesBut(t *testing.T, path, key string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, page)
	for at := int64(0); ; at += page {
		if _, err := f.ReadAt(b, at); err != nil {
			return
		}
		if !bytes.Contains(b, []byte("value of k/")) || bytes.Contains(b, []byte("value of "+key)) {
			continue
		}
		if _, err := f.WriteAt(make([]byte, page), at); err != nil {
			t.Fatal(err)
		}
	}
}

// Opening a file that makes bbolt panic is an error that says what to do, and does
// not keep the file locked.
func TestUnusableFiles(t *testing.T) {
	good, err := os.ReadFile(filled(t, 90))
	if err != nil {
		t.Fatal(err)
	}
	zero := func(from, to int64) []byte {
		b := bytes.Clone(good)
		clear(b[from:to])
		return b
	}
	for name, content := range map[string][]byte{
		"not a store":     bytes.Repeat([]byte("no"), 8192),
		"both heads gone": zero(0, 2*page),
		"all pages gone":  zero(2*page, int64(len(good))),
		"cut to 2 pages":  good[:2*page],
		"cut in a head":   good[:100],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "registry.db")
			for range 2 {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := Open(path, Options{})
				if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "aside and put back a copy") {
					t.Errorf("Open: %v", err)
				}
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := mustOpen(t, path).Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyHeedsItsContext(t *testing.T) {
	d := mustOpen(t, filled(t, 3))
	defer d.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
