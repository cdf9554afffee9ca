package supervisor

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// lost says that a link is gone. Where it rested nobody awaited anything else.
func (s *standing) lost(round uint64, l Link, why Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round || s.link != l {
		return
	}
	rested := s.rests
	s.drop()
	s.wire = down(why)
	if rested {
		s.tell()
		return
	}
	s.fresh = false
	s.transition(tunnel.Connecting, why, time.Time{})
}

// rest says that a link fell silent: its connections stay, and another is tried beside it. What was proved before counts
// for nothing when it answers again, save where that was proved on a second link that is not silent.
func (s *standing) rest(round uint64, l Link, why Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round || s.link != l {
		return
	}
	s.rests, s.fresh, s.busy = true, false, Failure{}
	s.doubt()
	s.wire = down(why)
	s.transition(tunnel.Connecting, why, time.Time{})
}

// doubt forgets the proofs of what is on a link that is silent, and has all asked for them again. Callers hold s.mu.
func (s *standing) doubt() {
	for _, m := range s.mappings {
		if !m.apart() && (m.listener.good() || m.listener.forbidden()) {
			m.listener = verdict{}
		}
	}
	s.stirLocked()
}

// hush says that a second link may have fallen silent: while the main link rests that counts for its mappings at once.
func (s *standing) hush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rests {
		s.doubt()
		s.tell()
	}
}

// leave says that a link that rests is given up. What it has carried stays counted.
func (s *standing) leave(round uint64, l Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == round && s.link == l {
		s.drop()
	}
}

// resume says that the server of a link that rested answers again.
func (s *standing) resume(round uint64, l Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round || s.link != l {
		return
	}
	s.rests, s.proved, s.answered, s.busy = false, false, true, Failure{}
	s.wire = tunnel.Statement{State: tunnel.Up, At: time.Now()}
	s.settle()
}
