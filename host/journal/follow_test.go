package journal

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// follower pulls what Follow yields.
type follower struct {
	t    *testing.T
	next func() (tunnel.Event, error, bool)
}

func follow(t *testing.T, j *Journal) follower {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	next, stop := iter.Pull2(j.Follow(ctx))
	t.Cleanup(func() { stop(); cancel() })
	return follower{t, next}
}

// want pulls n events and compares their messages with the numbers from from on.
func (f follower) want(from, to int) {
	f.t.Helper()
	for _, want := range numbers(from, to) {
		if e, err, ok := f.next(); !ok || err != nil || e.Message != want {
			f.t.Fatalf("came %q, %v, want %s", e.Message, err, want)
		}
	}
}

func TestFollowGivesThePastThenThePresent(t *testing.T) {
	j := open(t, t.TempDir(), Options{FileSize: 500, Files: 100})
	add(j, 0, 25)
	f := follow(t, j)
	f.want(0, 25)
	add(j, 25, 26)
	f.want(25, 26)
	add(j, 26, 60) // several files further
	f.want(26, 60)
	go func() {
		time.Sleep(20 * time.Millisecond) // most often the follower waits by then
		add(j, 60, 61)
	}()
	f.want(60, 61)
}

func TestFollowAnEmptyJournal(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	f := follow(t, j)
	add(j, 0, 1)
	f.want(0, 1)
}

// While files are turned all the time, several who follow from different moments
// on each get every event once.
func TestFollowWhileFilesTurn(t *testing.T) {
	const n = 2000
	j := open(t, t.TempDir(), Options{FileSize: 700, Files: 10_000})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var got []string
			for e, err := range j.Follow(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				if got = append(got, e.Message); err != nil || len(got) == n {
					break
				}
			}
			if !slices.Equal(got, numbers(0, n)) {
				t.Errorf("a follower got %d events that are not the %d in order", len(got), n)
			}
		})
		add(j, 0, 0)
	}
	add(j, 0, n)
	wg.Wait()
}

// One who does not come back for more holds up nobody, and learns that it
// missed something instead of going on with a gap.
func TestFollowerThatFallsBehindIsTold(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{FileSize: 500, Files: 3})
	add(j, 0, 2)
	f := follow(t, j)
	f.want(0, 1)
	add(j, 2, 200)
	if names, _ := files(t, dir); len(names) != 3 {
		t.Errorf("files %v", names)
	}
	for last := "0"; ; {
		e, err, ok := f.next()
		if errors.Is(err, ErrBehind) {
			return
		}
		if want := numbers(0, 200); !ok || err != nil || e.Message != want[slices.Index(want, last)+1] {
			t.Fatalf("after %s came %q, %v", last, e.Message, err)
		}
		last = e.Message
	}
}

func TestFollowEnds(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	add(j, 0, 2)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if got := messages(t, j.Follow(ctx), context.Canceled); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	for range j.Follow(t.Context()) {
		break
	}
	ended := make(chan error)
	go func() {
		var last error
		for _, err := range j.Follow(context.Background()) {
			last = err
		}
		ended <- last
	}()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if got := messages(t, j.Read(t.Context()), nil); len(got) != 2 {
		t.Errorf("Read after Close: %v", got)
	}
}

// A file in the middle that somebody has removed is passed over.
func TestMissingFileIsPassedOver(t *testing.T) {
	j := open(t, t.TempDir(), Options{FileSize: 500, Files: 100})
	add(j, 0, 30)
	all := messages(t, j.Read(t.Context()), nil)
	if err := os.Remove(j.path(3)); err != nil {
		t.Fatal(err)
	}
	got := messages(t, j.Read(t.Context()), nil)
	if len(got) >= len(all) || len(got) < 20 || got[len(got)-1] != "29" {
		t.Errorf("read %v", got)
	}
}
