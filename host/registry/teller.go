package registry

import (
	"fmt"
	"sync"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxUntold is how many events wait at most while the journal takes none; those that come then are counted, not kept.
const maxUntold = 10_000

// teller hands events to the journal in the order they were noted, one at a time, outside the registry's lock.
type teller struct {
	tell    func(tunnel.Event)
	telling sync.Mutex

	mu     sync.Mutex
	noted  []tunnel.Event
	lost   int             // since the last that was kept
	soon   bool            // a goroutine tells what is noted
	damage map[string]bool // records told to be damaged already
}

func (t *teller) note(e tunnel.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.noted) >= maxUntold {
		t.lost++
		return
	}
	e.Time = now()
	t.noted = append(t.noted, e)
}

// first reports whether key was not asked for before.
func (t *teller) first(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.damage[key] {
		return false
	}
	assign(&t.damage, key, true)
	return true
}

// drop forgets what is noted.
func (t *teller) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noted, t.lost = nil, 0
}

// take returns what is noted, and that more was lost where it was.
func (t *teller) take() []tunnel.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.noted
	if t.lost > 0 {
		events = append(events, tunnel.Event{
			Time: now(), Type: tunnel.EventsLost, Actor: host, Subject: "events",
			Message: fmt.Sprintf("the journal took no events for a while: %d are lost", t.lost),
		})
	}
	t.noted, t.lost = nil, 0
	return events
}

// flush tells what is noted. When it returns, all that the caller noted has been told.
func (t *teller) flush() {
	t.telling.Lock()
	defer t.telling.Unlock()
	for _, e := range t.take() {
		t.tell(e)
	}
}

// flushSoon has what is noted told by a goroutine that ends when nothing is left: for those who must not wait for a disk.
func (t *teller) flushSoon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.soon || len(t.noted) == 0 {
		return
	}
	t.soon = true
	go func() {
		for more := true; more; {
			t.flush()
			t.mu.Lock()
			more = len(t.noted) > 0
			t.soon = more
			t.mu.Unlock()
		}
	}()
}

// Flush returns when every event noted so far has been told: call it before the journal is closed.
func (r *Registry) Flush() { r.teller.flush() }
