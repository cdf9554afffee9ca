package verify

import (
	"strings"
	"sync"
	"time"
)

// How many wrong passwords there may be in a row, and how soon one more: of one user from one source, of one user, and
// from one source.
const (
	burst      = 5
	burstUser  = 15
	burstPlace = 60
	refill     = 12 * time.Second // for one more
	maxKeys    = 10_000
)

// pace counts wrong passwords. Each key has a number of tries that comes back with time.
type pace struct {
	mu   sync.Mutex
	keys map[string]tries
}

// tries are how many were used at a time; they come back since then.
type tries struct {
	used int
	at   time.Time
}

func newPace() *pace { return &pace{keys: map[string]tries{}} }

// most is how many tries a key has.
func most(key string) int {
	switch {
	case strings.HasPrefix(key, "source "):
		return burstPlace
	case strings.Contains(key, "\x00"):
		return burst
	}
	return burstUser
}

// take uses a try of every key, or of none where one of them has none left: wait is when to try again.
func (p *pace) take(keys ...string) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweepLocked()
	now := time.Now()
	for _, k := range keys {
		if t := p.nowLocked(k, now); t.used >= most(k) {
			wait = max(wait, refill-now.Sub(t.at))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, k := range keys {
		t := p.nowLocked(k, now)
		t.used++
		p.keys[k] = t
	}
	return 0
}

// giveBack undoes a take: the password was right, or nobody could say.
func (p *pace) giveBack(keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		if t, there := p.keys[k]; there && t.used > 0 {
			t.used--
			p.keys[k] = t
		}
	}
}

// nowLocked is what was used of a key, as of now.
func (p *pace) nowLocked(key string, now time.Time) tries {
	t, there := p.keys[key]
	if !there {
		return tries{at: now}
	}
	back := int(now.Sub(t.at) / refill)
	if back >= t.used {
		return tries{at: now}
	}
	return tries{t.used - back, t.at.Add(time.Duration(back) * refill)}
}

// sweepLocked forgets those of whom nothing is to be remembered, where there are too many; and then any, a tenth at least,
// so that it is not done for each.
func (p *pace) sweepLocked() {
	if len(p.keys) < maxKeys {
		return
	}
	now := time.Now()
	for k := range p.keys {
		if p.nowLocked(k, now).used == 0 {
			delete(p.keys, k)
		}
	}
	for k := range p.keys {
		if len(p.keys) < maxKeys*9/10 {
			return
		}
		delete(p.keys, k)
	}
}
