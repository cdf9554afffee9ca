package supervisor

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// standing is how one tunnel stands: its state, what is known of each mapping, and the link while there is one. All
// chores of the tunnel tell it what they saw; it alone decides what that makes of the tunnel, and reports it.
type standing struct {
	log    hclog.Logger
	report func(tunnel.Status)

	mu       sync.Mutex
	state    tunnel.State
	why      Failure
	since    time.Time
	next     time.Time
	round    uint64
	fresh    bool // the running attempt is the first after a change
	curious  bool // no link stood since a change
	version  string
	mappings []*mapping
	edition  uint64 // of what is wanted, for the reports

	link     Link             // nil while none stands
	rests    bool             // the link is silent: it keeps its connections and carries no new ones
	proved   bool             // the tunnel was up or degraded on this link
	answered bool             // the server answered a keepalive on this link
	busy     Failure          // set while it does not
	whole    Link             // the last one on which the tunnel was up
	wire     tunnel.Statement // how the link alone is

	turned  chan struct{} // closed when anything above changed
	telling bool          // it is reported in a moment
	told    time.Time     // when it was last reported
	renewed bool          // something was seen again since
}

func newStanding(log hclog.Logger, report func(tunnel.Status)) *standing {
	return &standing{log: log, report: report, turned: make(chan struct{})}
}

// arrange makes the mappings those of w. The link stays as it is.
func (s *standing) arrange(w tunnel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.adopt(w.Tunnel) || s.edition != w.Edition
	s.edition = w.Edition
	if changed && s.state != "" {
		s.settle()
	}
}

// adopt makes the mappings those of t and reports whether that changed anything. Those that stay as they were keep what is
// known of them. Callers hold s.mu.
func (s *standing) adopt(t tunnel.Tunnel) (changed bool) {
	next := make([]*mapping, len(t.Mappings))
	changed = len(t.Mappings) != len(s.mappings)
	for i, m := range t.Mappings {
		next[i] = s.find(m)
		accepted := slices.Contains(t.AcceptWider, m.Name)
		switch e := next[i]; {
		case e == nil:
			next[i] = newMapping(m)
		case accepted != e.accepted && e.open():
			next[i] = e.anew(s.link)
		}
		next[i].accepted = accepted
		changed = changed || next[i] != s.mappings[i]
	}
	s.mappings = next
	return changed
}

// find returns the entry of a mapping that is the same as m. Callers hold s.mu.
func (s *standing) find(m tunnel.Mapping) *mapping {
	i := slices.IndexFunc(s.mappings, func(e *mapping) bool { return same(e.Mapping, m) })
	if i < 0 {
		return nil
	}
	return s.mappings[i]
}

// same reports whether a and b carry the same data the same way; which slot they fill is no matter.
func same(a, b tunnel.Mapping) bool {
	a.Slot, b.Slot = "", ""
	return a == b
}

// entries are the mappings as they shall be now.
func (s *standing) entries() []*mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mappings)
}

// curiosity reports whether the present link is the first after a change.
func (s *standing) curiosity() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.curious
	s.curious = false
	return first
}

// usable is the link that may be asked for something new, nil where there is none. Callers hold s.mu.
func (s *standing) usable() Link {
	if s.rests {
		return nil
	}
	return s.link
}

// stirLocked has every carrier ask again. Callers hold s.mu.
func (s *standing) stirLocked() {
	for _, m := range s.mappings {
		if m.carrier != nil {
			m.carrier.stir()
		}
	}
}

// carries notes that c carries its mapping from now on, or no more.
func (s *standing) carries(c *carrier, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case on:
		c.m.carrier = c
	case c.m.carrier == c:
		c.m.carrier = nil
	}
}

// wasWhole reports whether the tunnel was up on l, which is gone by now, and on no other since.
func (s *standing) wasWhole(l Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := s.whole == l
	if whole {
		s.whole = nil
	}
	return whole
}

// down is the statement of a link that is not there.
func down(why Failure) tunnel.Statement {
	return tunnel.Statement{State: tunnel.Down, Reason: why.Reason, Message: tunnel.Clean(why.Message, 500), At: time.Now()}
}

// keepalive notes whether the server answered on l. The zero Failure means that it did.
func (s *standing) keepalive(l Link, busy Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable() != l {
		return
	}
	again := s.answered && !s.silent() && busy.Reason == ""
	s.wire = tunnel.Statement{State: tunnel.Up, At: time.Now()}
	if busy.Reason != "" {
		s.wire = down(busy)
	}
	s.answered = s.answered || busy.Reason == ""
	s.busy = busy
	s.seen(again)
}

// speaks reports whether what was found out about m says something now: a port that leads to a server which does not
// answer is no proof. Callers hold s.mu.
func (s *standing) speaks(m *mapping) bool {
	return s.usable() != nil && !s.silent() || s.link != nil && m.apart()
}

// silent reports whether the server does not answer on the present link. Callers hold s.mu.
func (s *standing) silent() bool { return s.busy != Failure{} }

// unanswered is silent for those who do not hold s.mu.
func (s *standing) unanswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent()
}

// note lets change alter what is known of a mapping, then draws the sum.
func (s *standing) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.settle()
}

// status is the standing as it is reported. Callers hold s.mu.
func (s *standing) status() tunnel.Status {
	st := tunnel.Status{
		State: s.state, Reason: s.why.Reason, Message: tunnel.Clean(s.why.Message, 500), Remedy: s.why.Remedy,
		Diagnosis: s.why.Diagnosis.Cleaned(), Link: s.wire,
		Since: s.since, NextAttempt: s.next, ServerVersion: s.version, Edition: s.edition,
		Mappings: make([]tunnel.MappingStatus, len(s.mappings)),
	}
	for i, m := range s.mappings {
		st.Mappings[i] = m.status(s.speaks(m) && (s.state.Linked() || m.judged()), s.why)
	}
	st.Warnings = unmeasured(s.mappings)
	return st
}
