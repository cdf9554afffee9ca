package supervisor

import (
	"sync/atomic"
	"time"
)

// How long a client of a port is held while there is no link, and how many at a time: each costs a descriptor and two
// goroutines. Whoever comes when so many wait is refused at once.
const (
	holdFor        = 20 * time.Second
	heldPerMapping = 64
	heldPerTunnel  = 256
	heldPerHost    = 1024
)

// holds counts who is held, of a mapping, of its tunnel, of the host: each is also one of the wider one's.
type holds struct {
	most  int64
	wider *holds // nil for the widest
	now   atomic.Int64
}

// enter takes a place; leave gives it back. There is none where so many are held already, here or in a wider one.
func (h *holds) enter() (leave func(), ok bool) {
	if h == nil {
		return func() {}, true
	}
	back := func() { h.now.Add(-1) }
	if h.now.Add(1) > h.most {
		back()
		return nil, false
	}
	wider, ok := h.wider.enter()
	if !ok {
		back()
		return nil, false
	}
	return func() { wider(); back() }, true
}

// tellHeld is how soon it is reported how many clients wait, or were refused: not for each of them.
const tellHeld = 500 * time.Millisecond

// held notes that n more clients of m's port wait for the link, or fewer.
func (s *standing) held(m *mapping, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.held += n
	s.tellSoon()
}

// turnedAway notes that a client of a mapping's port was refused, because too many wait or because it has waited in vain.
func (s *standing) turnedAway(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mappings { // as they are now: it may have waited for long
		if m.Name == name {
			m.turnedAway++
			s.tellSoon()
		}
	}
}

// tellSoon reports the standing in a moment, once for all that changes until then. Callers hold s.mu.
func (s *standing) tellSoon() {
	if s.telling {
		return
	}
	s.telling = true
	time.AfterFunc(tellHeld, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.telling = false
		s.tell()
	})
}
