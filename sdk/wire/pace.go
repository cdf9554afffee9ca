package wire

import (
	"sync"
	"time"
)

// pace is how often something may happen: rate a second, and burst at once. It is safe for concurrent use.
type pace struct {
	rate, burst float64

	mu    sync.Mutex
	spent float64 // what is missing to a full burst
	at    time.Time
}

// take takes n and returns how long to wait for its turn.
func (p *pace) take(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-now.Sub(p.at).Seconds()*p.rate)
	}
	p.at = now
	p.spent += float64(n)
	return time.Duration(max(0, p.spent-p.burst) / p.rate * float64(time.Second))
}
