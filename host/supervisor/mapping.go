package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mapping is what is known of one mapping. Its standing's mutex guards it.
type mapping struct {
	tunnel.Mapping
	verdicts
	tally
	carrier *carrier // nil while none carries it

	adrift   bool    // it rides on the tunnel's second link, and none stands
	accepted bool    // that its port is bound wider than declared
	forgone  Failure // why it is not asked for any more, whatever the link
	heard    string  // what that said, when it was last asked

	held           int // clients of its port that wait for the link
	provedAt       time.Time
	targetProvedAt time.Time
	measured       tunnel.Bound // who can connect to its port
}

func newMapping(m tunnel.Mapping) *mapping {
	return &mapping{Mapping: m, measured: tunnel.BoundUnknown}
}

// anew is the mapping as if it had never been asked for; what it carried on links up to l stays counted.
func (m *mapping) anew(l Link) *mapping {
	m.withdrawn(l)
	fresh := newMapping(m.Mapping)
	fresh.tally, fresh.targetProvedAt = m.tally, m.targetProvedAt
	return fresh
}

// verdicts are what was found out about a mapping on the present link.
type verdicts struct {
	applied  bool // it listens
	listener verdict
	target   verdict
}

// verdict is the answer to one question; the zero verdict awaits it.
type verdict struct {
	given bool
	why   Failure   // the zero Failure where all is well
	at    time.Time // when it was found out, where it is not
}

// bad is the verdict of that failure, now.
func bad(why Failure) verdict { return verdict{given: true, why: why, at: time.Now()} }

func (v verdict) good() bool { return v.given && v.why == Failure{} }

// forbidden reports whether the server forbids the question.
func (v verdict) forbidden() bool { return v.given && v.why.Reason == tunnel.ProofForbidden }

// statement is the verdict as it is reported; good is when it was last good.
func (v verdict) statement(good time.Time) tunnel.Statement {
	st := tunnel.Statement{
		State: tunnel.Down, Reason: v.why.Reason, Message: tunnel.Clean(v.why.Message, 500), At: v.at,
	}
	switch {
	case !v.given:
		st.State, st.Message = "", "not asked yet"
	case v.good():
		st.State, st.At = tunnel.Up, good
	case v.forbidden():
		st.State = tunnel.Unproved
	}
	return st
}

// judged reports whether a mapping has had its first verdict: both answers, or one that decides alone.
func (m *mapping) judged() bool {
	if !m.listener.given {
		return false
	}
	return m.target.given || !m.listener.good() && !m.listener.forbidden()
}

// apart reports whether the mapping is on a second link that is not silent: then it does not matter to it whether the
// server answers on the main link.
func (m *mapping) apart() bool {
	return m.carrier != nil && m.carrier.branch != nil && m.carrier.branch.link.peer() != PeerSilent
}

// judge is what the answers make of a mapping: up is only what both are good for.
func (m *mapping) judge() (tunnel.State, Failure) {
	switch {
	case !m.judged():
		return tunnel.Down, Failure{Message: "not proved yet"}
	case !m.listener.good() && !m.listener.forbidden():
		return tunnel.Down, m.listener.why
	case !m.target.good():
		return tunnel.Down, m.target.why
	case m.listener.forbidden():
		return tunnel.Unproved, m.listener.why
	}
	return tunnel.Up, Failure{}
}

// status is the mapping as it is reported: as it was judged where that counts, else down for the tunnel's reason.
func (m *mapping) status(judged bool, why Failure) tunnel.MappingStatus {
	state := tunnel.Down
	if judged {
		state, why = m.judge()
	}
	now := m.sum()
	return tunnel.MappingStatus{
		Name: m.Name, State: state,
		Reason: why.Reason, Message: tunnel.Clean(why.Message, 500), Remedy: why.Remedy, Diagnosis: why.Diagnosis.Cleaned(),
		Listener: m.listening(), Target: m.targeted(),
		ProvedAt: m.provedAt, TargetProvedAt: m.targetProvedAt, Bound: m.bound(),
		Connections: now.Open, Total: now.Total, Refused: now.Refused, BytesIn: now.In, BytesOut: now.Out,
		Callers: now.Callers,
	}
}

// listening is whether the mapping's port leads to us, and who waits there.
func (m *mapping) listening() tunnel.Statement {
	st := m.listener.statement(m.provedAt)
	switch {
	case m.held == 1:
		st.Message = "1 client waits for the link"
	case m.held > 1:
		st.Message = fmt.Sprintf("%d clients wait for the link", m.held)
	}
	return st
}

// targeted is whether the service behind the mapping answers, and what it said.
func (m *mapping) targeted() tunnel.Statement {
	st := m.target.statement(m.targetProvedAt)
	if m.target.good() {
		st.Message = tunnel.Clean(m.heard, 500)
	}
	return st
}

// bound is who can connect to the mapping's port, as far as that was measured. To a private one nobody else can.
func (m *mapping) bound() tunnel.Bound {
	if m.Kind.Reaches() && m.Private() {
		return tunnel.BoundLoopback
	}
	return m.measured
}

// tooWide is what is wrong with a port that others reach: nothing where that is accepted, else it is not asked for any
// more.
func (m *mapping) tooWide(why Failure) Failure {
	if m.accepted {
		return Failure{}
	}
	m.forgone = why
	return why
}

// open reports whether others reach the mapping's port though they shall not, accepted or not.
func (m *mapping) open() bool {
	return m.forgone != Failure{} || m.accepted && m.measured == tunnel.BoundAll && !m.Kind.Gateway()
}

// askAnew has what was given up asked for again. Callers hold s.mu.
func (s *standing) askAnew() {
	for _, m := range s.mappings {
		m.forgone = Failure{}
	}
}

// askedFor are those of ms that were not given up.
func (s *standing) askedFor(ms []tunnel.Mapping) []tunnel.Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ms), func(m tunnel.Mapping) bool {
		e := s.find(m)
		return e != nil && e.forgone != Failure{}
	})
}

// unmeasured are the warnings of exposed ports of which nobody knows who can connect to them.
func unmeasured(ms []*mapping) []string {
	var names []string
	for _, m := range ms {
		proved := m.listener.good() || m.listener.forbidden()
		if m.Kind.Exposes() && proved && m.measured == tunnel.BoundUnknown {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{boundUnknown(names)}
}
