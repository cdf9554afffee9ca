package supervisor

import (
	"context"
	"net"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// dialLocal connects to the service behind an expose mapping, for whoever comes from the site. What it means that it did
// not take the connection the engine says.
func (k *keeper) dialLocal(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
	return k.config.DialLocal(ctx, k.ref, m)
}

// missed notes that a connection of others did not reach the service behind m: it is down until one does, or until
// the host reaches it, which tries at once unless it did so lately. Where it is known to be down for that reason nothing
// is reported, as many as may come, unless this says more of it.
func (s *standing) missed(m tunnel.Mapping, why Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(m)
	if e == nil || s.usable() == nil {
		return
	}
	if e.target.tells(why) {
		return
	}
	e.target = bad(why)
	s.settle()
	if e.carrier != nil {
		e.carrier.asking.hurry()
	}
}

// tells reports whether the verdict is of that failure, and says as much of it: it has a cause where why has one.
func (v verdict) tells(why Failure) bool {
	return v.given && !v.good() && v.why.Reason == why.Reason && (v.why.Diagnosis.Code() != "" || why.Diagnosis.Code() == "")
}

// reached notes that a connection of others reached the service behind m. Where that was known, nothing is reported: as
// many as may come.
func (s *standing) reached(m *mapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := m.target.good()
	m.target, m.targetProvedAt = verdict{given: true}, time.Now()
	if !known {
		s.settle()
	}
}
