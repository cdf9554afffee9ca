package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/store"
)

var txTests = map[string]func(*testing.T, Store){
	"a change sees its own writes":       testOwnWrites,
	"a loop does not see later writes":   testWritesInLoop,
	"a refused change writes nothing":    testAllOrNothing,
	"each run begins afresh":             testFreshRun,
	"an ended context stops View":        testViewContext,
	"an ended context stops Update":      testUpdateContext,
	"a waiting Update heeds its context": testWaitContext,
}

func testOwnWrites(t *testing.T, s Store) {
	update(t, s, "b=1", "d=1", "f=1")
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := set(tx, "a=2", "b", "d=2", "e=2", "e", "g=2", "g=3", "x"); err != nil {
			return err
		}
		got, err := list(tx, "")
		if want := "a=2 d=2 f=1 g=3"; strings.Join(got, " ") != want {
			t.Errorf("Scan is %q, want %q", got, want)
		}
		_, gone := tx.Get("b")
		wantErr(t, gone, store.ErrNotFound)
		if value, err := tx.Get("g"); string(value) != "3" || err != nil {
			t.Errorf("Get is %q, %v, want 3", value, err)
		}
		return err
	})
	wantErr(t, err, nil)
	wantRecords(t, s, "a=2", "d=2", "f=1", "g=3")
}

func testWritesInLoop(t *testing.T, s Store) {
	update(t, s, "a=1", "b=1", "c=1")
	var seen []string
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		seen = nil
		for rec, err := range tx.Scan("") {
			if err != nil {
				return err
			}
			seen = append(seen, rec.Key+"="+string(rec.Value))
			if err := set(tx, "a+=2", "b=2", "c", "d=2"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(seen, []string{"a=1", "b=1", "c=1"}) {
		t.Fatalf("the loop saw %q, %v", seen, err)
	}
	wantRecords(t, s, "a=1", "a+=2", "b=2", "d=2")
}

func testAllOrNothing(t *testing.T, s Store) {
	before := update(t, s, "a=1")
	refusal := errors.New("refused")
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(set(tx, "a=2", "b=2"), refusal)
	})
	wantErr(t, err, refusal)
	wantRecords(t, s, "a=1")
	if _, rev := view(t, s, ""); rev != before {
		t.Fatalf("the revision went from %v to %v", before, rev)
	}
}

// What a run before the last one wrote is never seen, neither by the next run nor
// by anybody else.
func testFreshRun(t *testing.T, s Store) {
	runs := 0
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		runs++
		if got, err := list(tx, ""); len(got) != 0 || err != nil {
			t.Errorf("run %d began with %q, %v", runs, got, err)
		}
		return set(tx, strings.Repeat("k", runs)+"=1")
	})
	wantErr(t, err, nil)
	wantRecords(t, s, strings.Repeat("k", runs)+"=1")
}

func testViewContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.View(ctx, func(store.Reader) error { t.Error("f ran"); return nil })
	wantErr(t, err, context.Canceled)
}

func testUpdateContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Update(ctx, func(tx store.Tx) error { cancel(); return set(tx, "a=1") })
	wantErr(t, err, context.Canceled)
	_, err = s.Update(ctx, func(store.Tx) error { t.Error("f ran"); return nil })
	wantErr(t, err, context.Canceled)
	wantRecords(t, s)
}

func testWaitContext(t *testing.T, s Store) {
	inside, release, done := make(chan struct{}, 2), make(chan struct{}), make(chan error)
	go func() {
		_, err := s.Update(t.Context(), func(tx store.Tx) error {
			inside <- struct{}{}
			<-release
			return set(tx, "a=1")
		})
		done <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Update(ctx, func(tx store.Tx) error { return set(tx, "b=1") })
	if err != nil && !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > patience/4 {
		t.Errorf("the waiting Update returned %v after %v", err, time.Since(began))
	}
	close(release)
	wantErr(t, <-done, nil)
}
