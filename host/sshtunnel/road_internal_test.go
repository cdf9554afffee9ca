package sshtunnel

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// passAll has n connections pass as many MiB each, in pieces of one packet, and returns how long that took.
func passAll(w *road, n, mib int) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range mib << 20 / outBuffer {
				w.pass(outBuffer)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

func TestBulkMakesWay(t *testing.T) {
	const mib = 4
	pauses := func(mib int) time.Duration { return time.Duration(mib<<20/bulkSlice) * bulkPause }
	for _, c := range []struct {
		name     string
		spoke    time.Duration // ago
		together int
		least    time.Duration
		most     time.Duration
	}{
		{"alone", bulkWaits, 1, 0, 0},
		{"beside others", 0, 1, pauses(mib), pauses(mib)},
		{"several beside others share one pace", 0, 4, pauses(4*mib) / 2, pauses(4 * mib)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRoad()
				w.speak()
				time.Sleep(c.spoke)
				stop := make(chan struct{})
				var others sync.WaitGroup
				defer others.Wait()
				defer close(stop)
				if c.spoke == 0 {
					others.Go(func() { // who goes on speaking
						for !isClosed(stop) {
							w.speak()
							time.Sleep(bulkWaits / 10)
						}
					})
				}
				if took := passAll(w, c.together, mib); took < c.least || took > c.most {
					t.Errorf("%d times %d MiB took %v, want %v to %v", c.together, mib, took, c.least, c.most)
				}
			})
		})
	}
}
