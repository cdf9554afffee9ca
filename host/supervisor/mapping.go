package supervisor

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mapping is what is known of one mapping. Its standing's mutex guards it.
type mapping struct {
	tunnel.Mapping
	verdicts
	doubted chan struct{} // poked when a connection of others did not reach the service behind

	provedAt       time.Time
	targetProvedAt time.Time
	open           int
	in, out        uint64 // on the present link
	pastIn         uint64 // on the links before it
	pastOut        uint64
}

func newMapping(m tunnel.Mapping) *mapping {
	return &mapping{Mapping: m, doubted: make(chan struct{}, 1)}
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
	why   Failure // the zero Failure where all is well
}

func (v verdict) good() bool { return v.given && v.why == Failure{} }

// forbidden reports whether the server forbids the question.
func (v verdict) forbidden() bool { return v.given && v.why.Reason == tunnel.ProofForbidden }

// judged reports whether a mapping has had its first verdict: both answers, or one that decides alone.
func (m *mapping) judged() bool {
	if !m.listener.given {
		return false
	}
	return m.target.given || !m.listener.good() && !m.listener.forbidden()
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

// status is the mapping as it is reported: judged where it can be, else down for the tunnel's reason.
func (m *mapping) status(judged bool, why Failure) tunnel.MappingStatus {
	state := tunnel.Down
	if judged {
		state, why = m.judge()
	}
	return tunnel.MappingStatus{
		Name: m.Name, State: state,
		Reason: why.Reason, Message: tunnel.Clean(why.Message, 500), Remedy: why.Remedy,
		ProvedAt: m.provedAt, TargetProvedAt: m.targetProvedAt, Bound: m.bound(),
		Connections: m.open, BytesIn: m.pastIn + m.in, BytesOut: m.pastOut + m.out,
	}
}

// bound is where the mapping listens: here the host knows it, at a server nobody measures it yet.
func (m *mapping) bound() tunnel.Bound {
	switch {
	case m.Kind.Exposes() || !m.applied:
		return tunnel.BoundUnknown
	case m.Kind.Gateway():
		return tunnel.BoundAll
	}
	return tunnel.BoundLoopback
}

// count takes the link's counters. Connections of others that reached the service behind are proof of it.
func (m *mapping) count(l Link) {
	if l == nil || !m.applied {
		return
	}
	t := l.Traffic(m.Name)
	m.open, m.in, m.out = t.Open, t.In, t.Out
	if t.Target.After(m.targetProvedAt) {
		m.targetProvedAt = t.Target
		m.target = verdict{given: true}
	}
}

// withdrawn notes that the link carries the mapping no more; what it carried stays counted.
func (m *mapping) withdrawn(l Link) {
	m.count(l)
	m.pastIn, m.pastOut = m.pastIn+m.in, m.pastOut+m.out
	m.open, m.in, m.out = 0, 0, 0
	m.applied = false
}
