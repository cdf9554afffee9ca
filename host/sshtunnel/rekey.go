package sshtunnel

import (
	"sync"
	"time"
)

// A server that wants new keys more often than this has to wait for them: each exchange costs a millisecond of CPU here, so
// that this many take a twentieth of a core.
const (
	rekeyPace  = time.Second / 50
	rekeyBurst = 50
)

// pace holds up what happens too often.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next may happen, if the burst were used up
}

// wait waits for one's turn.
func (p *pace) wait() {
	p.mu.Lock()
	now := time.Now()
	if begin := now.Add(-rekeyBurst * rekeyPace); p.next.Before(begin) {
		p.next = begin
	}
	p.next = p.next.Add(rekeyPace)
	left := p.next.Sub(now)
	p.mu.Unlock()
	time.Sleep(left) // at once where that is past
}
