package supervisor

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Recount reports afresh what the tunnels named have carried, all where none is, and when they were last proved, as far as
// that is more or other than was reported. Whoever shows it calls this first; a tunnel at which nobody looks costs next to
// nothing in between.
func (s *Supervisor) Recount(refs ...tunnel.Ref) {
	for _, k := range s.those(refs) {
		k.standing.recount()
	}
}

// those are the keepers of the tunnels named, of all where none is.
func (s *Supervisor) those(refs []tunnel.Ref) (named []*keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range refs {
		if k := s.keepers[ref]; k != nil {
			named = append(named, k)
		}
	}
	if len(refs) > 0 {
		return named
	}
	for _, k := range s.keepers {
		named = append(named, k)
	}
	return named
}

// recount reports the standing where something was seen again since it was reported, or one of its counters has moved.
func (s *standing) recount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted() || s.renewed {
		s.settle()
	}
}

// retellAfter is how long it may not be reported at most that things are as they were.
const retellAfter = time.Minute

// seen reports the standing after an answer. One that says once more what was known is reported with the next news, when
// somebody looks, or after a while. Callers hold s.mu.
func (s *standing) seen(again bool) {
	s.renewed = true
	if s.counted() || !again || time.Since(s.told) >= retellAfter {
		s.settle()
	}
}

// counted takes the counters of the link, also of one that rests, and reports whether one of them has moved. Callers hold
// s.mu.
func (s *standing) counted() (moved bool) {
	for _, m := range s.mappings {
		before := m.now
		m.count(s.link)
		moved = moved || !m.now.equal(before)
	}
	return moved
}

// tell reports the standing. Callers hold s.mu.
func (s *standing) tell() {
	s.told, s.renewed = time.Now(), false
	s.report(s.status())
}

// equal reports whether t and o count the same. Who called moves none but together with a counter.
func (t Traffic) equal(o Traffic) bool {
	return t.Open == o.Open && t.Total == o.Total && t.Refused == o.Refused && t.In == o.In && t.Out == o.Out && t.Target.Equal(o.Target)
}
