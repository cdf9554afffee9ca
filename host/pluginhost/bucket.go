package pluginhost

import "time"

// bucket is a rate with a burst: it fills at rate a second up to burst. It belongs to one goroutine or lock.
type bucket struct {
	rate, burst float64
	spent       float64 // what is missing to full
	at          time.Time
}

// take takes n at the time now and returns how long to wait until the bucket is not overdrawn.
func (b *bucket) take(n int, now time.Time) time.Duration {
	b.refill(now)
	b.spent += float64(n)
	return time.Duration(max(0, b.spent-b.burst) / b.rate * float64(time.Second))
}

// allow takes one if there is one.
func (b *bucket) allow(now time.Time) bool {
	b.refill(now)
	if b.spent+1 > b.burst {
		return false
	}
	b.spent++
	return true
}

func (b *bucket) refill(now time.Time) {
	if !b.at.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
}
