package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/store"
)

var watchTests = map[string]func(*testing.T, Store){
	"Watch yields whole commits in order":   testWatchOrder,
	"Watch begins after the given revision": testWatchAfter,
	"Watch waits for changes":               testWatchWaits,
	"Watch is told nothing but its prefix":  testWatchPrefix,
	"Watch ends with its context":           testWatchContext,
	"Watch can be left":                     testWatchLeft,
	"Watch of the future is refused":        testWatchFuture,
	"a slow Watch holds up nobody":          testWatchSlow,
	"closing ends Watch":                    testWatchClose,
}

func testWatchOrder(t *testing.T, s Store) {
	_, start := view(t, s, "")
	first := update(t, s, "b=1", "a=1", "c=1")
	second := update(t, s, "a", "d=1", "b=2", "c")
	third := update(t, s, "a=3")
	for range 2 { // each who watches gets all of it
		w, _ := watch(t, s, "", start)
		w.want(first, "a=1", "b=1", "c=1")
		w.want(second, "b=2", "d=1", "a", "c")
		w.want(third, "a=3")
	}
}

func testWatchAfter(t *testing.T, s Store) {
	update(t, s, "a=1")
	_, seen := view(t, s, "")
	w, _ := watch(t, s, "", seen)
	w.want(update(t, s, "a=2"), "a=2")
}

func testWatchWaits(t *testing.T, s Store) {
	_, start := view(t, s, "")
	w, _ := watch(t, s, "", start)
	revs := make(chan store.Rev, 1)
	go func() {
		time.Sleep(20 * time.Millisecond) // so that the watch is waiting, most often
		rev, _ := s.Update(t.Context(), func(tx store.Tx) error { return set(tx, "a=1") })
		revs <- rev
	}()
	c, err, _ := w.next()
	if rev := <-revs; err != nil || c.Rev != rev {
		t.Fatalf("watched %v, %v, want %v", c, err, rev)
	}
}

func testWatchPrefix(t *testing.T, s Store) {
	start := update(t, s, "b/0=1")
	w, _ := watch(t, s, "b/", start)
	update(t, s, "a=1", "b=1", "c=1")
	mixed := update(t, s, "a=2", "b/1=2", "b/0", "c")
	update(t, s, "b")
	last := update(t, s, "b/1")
	w.want(mixed, "b/1=2", "b/0")
	w.want(last, "b/1")
}

func testWatchContext(t *testing.T, s Store) {
	_, start := view(t, s, "")
	w, cancel := watch(t, s, "", start)
	w.want(update(t, s, "a=1"), "a=1")
	time.AfterFunc(20*time.Millisecond, cancel)
	w.wantEnd(context.Canceled)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for c, err := range s.Watch(ended, "", start) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("under an ended context came %v, %v", c, err)
		}
	}
}

func testWatchLeft(t *testing.T, s Store) {
	_, start := view(t, s, "")
	update(t, s, "a=1")
	update(t, s, "a=2")
	n := 0
	for _, err := range s.Watch(t.Context(), "", start) {
		wantErr(t, err, nil)
		n++
		break
	}
	if n != 1 {
		t.Errorf("saw %d changes before leaving", n)
	}
}

func testWatchFuture(t *testing.T, s Store) {
	old, _ := s.View(t.Context(), func(store.Reader) error { return nil })
	rev := update(t, s, "a=1")
	w, _ := watch(t, s, "", store.RevAt(1<<62))
	w.wantEnd(store.ErrGone)
	w, _ = watch(t, s, "", old)
	w.want(rev, "a=1")
}

// One who watches and does not come back for more neither stops a writer nor gets
// changes with a gap: the next ones, or ErrGone.
func testWatchSlow(t *testing.T, s Store) {
	_, start := view(t, s, "")
	w, _ := watch(t, s, "", start)
	w.want(update(t, s, "a=first"), "a=first")
	var want []string
	behind := func() bool { // somebody who begins now and has seen as much
		next, _ := watch(t, s, "", start)
		_, err, _ := next.next()
		return errors.Is(err, store.ErrGone)
	}
	for i := 0; i < 3000 && (i%10 != 0 || !behind()); i++ {
		value := fmt.Sprintf("a=%d", i)
		update(t, s, value)
		want = append(want, value)
	}
	for i := 0; ; i++ {
		c, err, _ := w.next()
		if errors.Is(err, store.ErrGone) || err == nil && i == len(want)-1 {
			return
		}
		if err != nil || !slices.Equal(flat(c), want[i:i+1]) {
			t.Fatalf("change %d is %v, %v, want %q", i, c, err, want[i])
		}
	}
}

func testWatchClose(t *testing.T, s Store) {
	_, start := view(t, s, "")
	seen, ended := make(chan bool), make(chan error)
	for range 3 {
		go func() {
			var last error
			for _, err := range s.Watch(context.Background(), "", start) {
				if last = err; err == nil {
					seen <- true
				}
			}
			ended <- last
		}()
	}
	update(t, s, "a=1")
	for range 3 {
		<-seen
	}
	time.Sleep(20 * time.Millisecond) // so that they are waiting, most often
	closeStore(t, s)
	for range 3 {
		wantErr(t, <-ended, store.ErrUnreachable)
	}
	closed := func(_ store.Rev, err error) { t.Helper(); wantErr(t, err, store.ErrUnreachable) }
	closed(s.View(t.Context(), func(store.Reader) error { t.Error("f ran"); return nil }))
	closed(s.Update(t.Context(), func(store.Tx) error { t.Error("f ran"); return nil }))
	w, _ := watch(t, s, "", start)
	if _, err, _ := w.next(); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("a watch of a closed store gave %v", err)
	}
}
