package control

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How long one server is left alone after a check began, and how many servers are told apart at a time; those beyond take
// turns together.
const (
	checkSpacing = 5 * time.Second
	maxTurns     = 1000
)

// turns spaces the checks of each server, so that a form which checks while somebody types costs few connections, and no
// server takes them for an attack. One check waits for each server; a newer one takes its place, for it is about what
// was typed since. Safe for concurrent use.
type turns struct {
	spacing time.Duration

	mu      sync.Mutex
	servers map[string]*turn
}

// turn is what is known of one server.
type turn struct {
	next    time.Time     // when it may be tried again
	waiting chan struct{} // closed when the check that waits loses its place; nil where none waits
}

// wait returns when a check of server may begin: at once, or after told was called with how long that takes. Its error
// says that a newer check took the place, or is that of ctx.
func (t *turns) wait(ctx context.Context, server tunnel.Server, told func(time.Duration)) error {
	key := tunnel.ScopeRemote(server)
	s, lost, left := t.enter(key)
	if left == 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	told(left)
	select {
	case <-timer.C:
		if t.leave(s, lost, true) {
			return nil
		}
	case <-lost:
	case <-ctx.Done():
		t.leave(s, lost, false)
		return ctx.Err()
	}
	return t.superseded(server)
}

// enter begins a check, or takes the place of the one that waits: then lost is closed when another does so too, and left
// is how long that takes at most.
func (t *turns) enter(key string) (s *turn, lost chan struct{}, left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	s = t.turnLocked(key, now)
	if s.waiting != nil {
		close(s.waiting)
		s.waiting = nil
	}
	if left = s.next.Sub(now); left <= 0 {
		s.next = now.Add(t.spacing)
		return s, nil, 0
	}
	s.waiting = make(chan struct{})
	return s, s.waiting, left
}

// leave ends a wait, and begins the check where that is asked for. It reports whether the place was still held.
func (t *turns) leave(s *turn, lost chan struct{}, begin bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.waiting != lost {
		return false
	}
	s.waiting = nil
	if begin {
		s.next = time.Now().Add(t.spacing)
	}
	return true
}

// turnLocked is the turn of a server; those that say nothing any more are forgotten.
func (t *turns) turnLocked(key string, now time.Time) *turn {
	for k, s := range t.servers {
		if s.waiting == nil && !s.next.After(now) {
			delete(t.servers, k)
		}
	}
	if t.servers == nil {
		t.servers = map[string]*turn{}
	}
	if t.servers[key] == nil && len(t.servers) >= maxTurns {
		key = "" // no server's
	}
	if t.servers[key] == nil {
		t.servers[key] = &turn{}
	}
	return t.servers[key]
}

func (t *turns) superseded(s tunnel.Server) error {
	return &Error{Status: http.StatusConflict, Code: codeSuperseded, Message: "a newer check of " + s.Endpoint() + " took the place of this one, which made no connection",
		Hint: fmt.Sprintf("look at the newer one: a server is tried once in %s", t.spacing)}
}
