package supervisor

import "github.com/culvert-pbx/culvert/sdk/tunnel"

// Recount reports afresh what the tunnels named have carried, all where none is, as far as that is more or other than was
// reported: else it is reported with each proof. Whoever shows it calls this first; a tunnel at which nobody looks costs
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

// recount takes the counters of the link, also of one that rests, and reports the standing where one of them moved.
func (s *standing) recount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := false
	for _, m := range s.mappings {
		before := m.now
		m.count(s.link)
		moved = moved || !m.now.equal(before)
	}
	if moved {
		s.settle()
	}
}

// equal reports whether t and o count the same. Who called moves none but together with a counter.
func (t Traffic) equal(o Traffic) bool {
	return t.Open == o.Open && t.Total == o.Total && t.Refused == o.Refused && t.In == o.In && t.Out == o.Out && t.Target.Equal(o.Target)
}
