package sshtunnel

import (
	"sync/atomic"
	"time"
)

// road is where bulk and all other connections of the process meet: its processors. While others speak, bulk makes way for
// them, as one that moves a gigabyte a second keeps every thread busy, here and at its two ends: a byte of another
// connection then waits for some milliseconds, whichever link it has. Alone, bulk is not held back.
type road struct {
	spoke  atomic.Int64 // when another connection last carried something, by monotonic
	passed atomic.Int64 // bytes of bulk since its last pause
	shut   atomic.Int64 // until when bulk waits, by monotonic
}

// theRoad is that of the process.
var theRoad = newRoad()

func newRoad() *road {
	r, now := &road{}, monotonic(time.Now())
	r.spoke.Store(now - int64(bulkWaits))
	r.shut.Store(now)
	return r
}

// speak notes that a connection outside the bulk lane carries something.
func (r *road) speak() { r.spoke.Store(monotonic(time.Now())) }

// pass notes n bytes of bulk, and makes a pause where others speak.
func (r *road) pass(n int) {
	now := monotonic(time.Now())
	if now-r.spoke.Load() >= int64(bulkWaits) {
		return
	}
	if passed := r.passed.Add(int64(n)); passed >= bulkSlice && r.passed.CompareAndSwap(passed, 0) {
		r.shut.Store(now + int64(bulkPause))
	}
	if left := r.shut.Load() - now; left > 0 {
		time.Sleep(min(time.Duration(left), bulkPause))
	}
}
