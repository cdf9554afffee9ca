package storetest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/store"
)

// patience is how long the suite waits for what must happen.
const patience = 20 * time.Second

func closeStore(t *testing.T, s Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// set puts one record for each "key=value" and deletes each "key".
func set(tx store.Tx, writes ...string) error {
	var errs []error
	for _, w := range writes {
		key, value, isPut := strings.Cut(w, "=")
		if isPut {
			errs = append(errs, tx.Put(key, []byte(value)))
		} else {
			errs = append(errs, tx.Delete(key))
		}
	}
	return errors.Join(errs...)
}

// update makes one change of writes, as set does.
func update(t *testing.T, s store.Store, writes ...string) store.Rev {
	t.Helper()
	rev, err := s.Update(t.Context(), func(tx store.Tx) error { return set(tx, writes...) })
	if err != nil {
		t.Fatalf("update %v: %v", writes, err)
	}
	return rev
}

// list returns the records under prefix as "key=value", in the order of Scan.
func list(r store.Reader, prefix string) (all []string, err error) {
	for rec, err := range r.Scan(prefix) {
		if err != nil {
			return all, err
		}
		all = append(all, rec.Key+"="+string(rec.Value))
	}
	return all, nil
}

// view returns the records under prefix and their revision.
func view(t *testing.T, s store.Store, prefix string) (all []string, rev store.Rev) {
	t.Helper()
	rev, err := s.View(t.Context(), func(r store.Reader) (err error) {
		all, err = list(r, prefix)
		return err
	})
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return all, rev
}

func wantRecords(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	if got, _ := view(t, s, ""); !slices.Equal(got, want) {
		t.Fatalf("records are %q, want %q", got, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error is %v, want %v", got, want)
	}
}

// watcher pulls the changes of one Watch and fails the test where none comes.
type watcher struct {
	t    *testing.T
	next func() (store.Change, error, bool)
}

// watch begins a Watch that ends with the test, or with cancel.
func watch(t *testing.T, s store.Store, prefix string, after store.Rev) (w watcher, cancel func()) {
	ctx, cancelCtx := context.WithTimeout(t.Context(), patience)
	next, stop := iter.Pull2(s.Watch(ctx, prefix, after))
	t.Cleanup(func() { stop(); cancelCtx() })
	return watcher{t, next}, cancelCtx
}

// want pulls one change and compares it: "key=value" for what was put, "key" for
// what was deleted.
func (w watcher) want(rev store.Rev, writes ...string) {
	w.t.Helper()
	c, err, ok := w.next()
	if err != nil || !ok {
		w.t.Fatalf("watch ended with %v, want the change at %v", err, rev)
	}
	if got := flat(c); c.Rev != rev || !slices.Equal(got, writes) {
		w.t.Fatalf("watched %v %q, want %v %q", c.Rev, got, rev, writes)
	}
}

// wantEnd pulls the error that ends the watch.
func (w watcher) wantEnd(want error) {
	w.t.Helper()
	c, err, ok := w.next()
	if !ok || !errors.Is(err, want) {
		w.t.Fatalf("watch gave %v and error %v, want it to end with %v", c, err, want)
	}
	if _, _, ok := w.next(); ok {
		w.t.Fatal("watch went on after its error")
	}
}

func flat(c store.Change) (all []string) {
	for _, r := range c.Puts {
		all = append(all, r.Key+"="+string(r.Value))
	}
	return append(all, c.Deletes...)
}

// world replays changes: what somebody who watches knows.
type world map[string]string

func (w world) apply(c store.Change) {
	for _, r := range c.Puts {
		w[r.Key] = string(r.Value)
	}
	for _, key := range c.Deletes {
		delete(w, key)
	}
}

// list is like the function list.
func (w world) list() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(w)) {
		all = append(all, key+"="+w[key])
	}
	return all
}
