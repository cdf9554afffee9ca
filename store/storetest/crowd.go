package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

var crowdTests = map[string]func(*testing.T, Store){
	"no change is lost among many":    testCount,
	"a View shows one revision":       testSnapshot,
	"who lists and watches knows all": testListAndWatch,
}

const (
	writers = 6
	rounds  = 8
)

// crowd runs one in writers goroutines at once, rounds times each.
func crowd(t *testing.T, one func(writer, round int) error) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				if err := one(w, i); err != nil {
					t.Errorf("writer %d, round %d: %v", w, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// increment adds one to the number under key.
func increment(tx store.Tx, key string) error {
	old, err := tx.Get(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(old))
	return tx.Put(key, []byte(strconv.Itoa(n+1)))
}

func testCount(t *testing.T, s Store) {
	var mu sync.Mutex
	revs := map[store.Rev]bool{}
	crowd(t, func(int, int) error {
		rev, err := s.Update(t.Context(), func(tx store.Tx) error { return increment(tx, "n") })
		mu.Lock()
		defer mu.Unlock()
		revs[rev] = true
		return err
	})
	wantRecords(t, s, fmt.Sprintf("n=%d", writers*rounds))
	if len(revs) != writers*rounds {
		t.Errorf("%d changes have %d revisions", writers*rounds, len(revs))
	}
}

// Two records that are always written together are never seen apart.
func testSnapshot(t *testing.T, s Store) {
	update(t, s, "x=0", "y=0")
	stop, seen := make(chan struct{}), make(chan error)
	go func() {
		defer close(seen)
		for {
			select {
			case <-stop:
				return
			default:
			}
			var all []string
			_, err := s.View(t.Context(), func(r store.Reader) (err error) {
				all, err = list(r, "")
				return err
			})
			if err != nil || len(all) != 2 || all[0][2:] != all[1][2:] {
				seen <- fmt.Errorf("saw %q, %v", all, err)
				return
			}
		}
	}()
	crowd(t, func(int, int) error {
		_, err := s.Update(t.Context(), func(tx store.Tx) error { return errors.Join(increment(tx, "x"), increment(tx, "y")) })
		return err
	})
	close(stop)
	if err := <-seen; err != nil {
		t.Fatal(err)
	}
}

// One who reads the records while others write, and watches from there, ends with
// the same records; ErrGone only means to begin again.
func testListAndWatch(t *testing.T, s Store) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		crowd(t, func(w, i int) error {
			_, err := s.Update(t.Context(), func(tx store.Tx) error {
				return set(tx, fmt.Sprintf("k/%d=%d.%d", i%3, w, i), fmt.Sprintf("k/%d", (i+1)%3), fmt.Sprintf("w/%d=%d", w, i))
			})
			return err
		})
		update(t, s, "end=1")
	}()
	known := follow(t, s)
	<-done
	if all, _ := view(t, s, ""); !slices.Equal(known.list(), all) {
		t.Fatalf("knows %q, the store holds %q", known.list(), all)
	}
}

// follow lists and watches until it knows of "end".
func follow(t *testing.T, s Store) world {
	for {
		known := world{}
		rev, err := s.View(t.Context(), func(r store.Reader) error {
			for rec, err := range r.Scan("") {
				if err != nil {
					return err
				}
				known[rec.Key] = string(rec.Value)
			}
			return nil
		})
		wantErr(t, err, nil)
		if known["end"] != "" {
			return known
		}
		for c, err := range s.Watch(t.Context(), "", rev) {
			if errors.Is(err, store.ErrGone) {
				break
			}
			wantErr(t, err, nil)
			if !c.Rev.After(rev) {
				t.Fatalf("revision %v came after %v", c.Rev, rev)
			}
			rev = c.Rev
			if known.apply(c); known["end"] != "" {
				return known
			}
		}
	}
}
