package control

import (
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxRefusals is how many events one module's refused requests make a minute: a module that asks in a loop must not
// push everything else out of the journal.
const maxRefusals = 20

// refusals counts the refused requests of each module.
type refusals struct {
	mu  sync.Mutex
	per map[tunnel.Owner]*tally
}

// tally is one module's present minute.
type tally struct {
	began  time.Time
	count  int
	silent int // refusals without an event since the last one with
}

// note counts a refusal at now. It reports whether an event is due, and what its message says of those before that
// made none.
func (r *refusals) note(owner tunnel.Owner, now time.Time) (due bool, silent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.per == nil {
		r.per = map[tunnel.Owner]*tally{}
	}
	t := r.per[owner]
	if t == nil || now.Sub(t.began) >= time.Minute {
		next := &tally{began: now}
		if t != nil {
			next.silent = t.silent
		}
		t, r.per[owner] = next, next
	}
	if t.count++; t.count > maxRefusals {
		t.silent++
		return false, ""
	}
	if t.silent > 0 {
		silent = fmt.Sprintf(" (and %d requests before, not listed)", t.silent)
		t.silent = 0
	}
	return true, silent
}
