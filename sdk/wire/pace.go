package wire

import (
	"sync"
	"time"
)

// Pace is how often something may happen: Rate a second, and Burst at once. Both ends and the host keep theirs by it. It
// is safe for concurrent use.
type Pace struct {
	Rate, Burst float64

	mu    sync.Mutex
	spent float64 // what is missing to a full burst
	at    time.Time
}

// Take takes n, overdrawn where there are fewer, and returns how long to wait for its turn.
func (p *Pace) Take(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refillLocked()
	p.spent += float64(n)
	return time.Duration(max(0, p.spent-p.Burst) / p.Rate * float64(time.Second))
}

// Allow takes one if there is one.
func (p *Pace) Allow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refillLocked()
	if p.spent+1 > p.Burst {
		return false
	}
	p.spent++
	return true
}

func (p *Pace) refillLocked() {
	now := time.Now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-now.Sub(p.at).Seconds()*p.Rate)
	}
	p.at = now
}
