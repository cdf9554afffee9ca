package supervisor

import (
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// glance is the standing at one moment, as far as someone who wants to use a mapping needs it.
type glance struct {
	state  tunnel.State
	why    Failure
	link   Link
	m      *mapping // nil where the tunnel has no such mapping
	turned <-chan struct{}

	listener Failure // why the mapping does not listen, where that is known
	adrift   bool    // there is a link, but not the second one that the mapping needs
}

// glance looks at the mapping of that name. turned is closed as soon as anything is different.
func (s *standing) glance(name string) glance {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := glance{state: s.state, why: s.why, link: s.usable(), turned: s.turned}
	if i := slices.IndexFunc(s.mappings, func(m *mapping) bool { return m.Name == name }); i >= 0 {
		g.m = s.mappings[i]
		switch {
		case g.m.adrift:
			g.link, g.adrift = nil, true
		case g.m.apart():
			g.link = s.link
		}
		g.listener = g.m.listener.why
	}
	return g
}

// opener opens connections to the targets of one tunnel's reach mappings, for those who come through its private sockets
// and its ports.
type opener struct {
	ref      tunnel.Ref
	standing *standing
	engine   Engine
}

// open opens a connection to the target of a mapping: at once where a link stands, when it stands where one is on its
// way, and not at all where somebody has to do something first, where the login is spared, or where the target refuses. Then the error is a
// *tunnel.StatusError.
func (o *opener) open(ctx context.Context, name, caller string) (Conn, error) {
	for {
		conn, turned, err := o.try(ctx, name, caller)
		if turned == nil {
			return conn, err
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try is open for those who wait in their own way: where there is no answer yet, turned is what is closed once it is
// worth another try, else nil.
func (o *opener) try(ctx context.Context, name, caller string) (conn Conn, turned <-chan struct{}, err error) {
	g := o.standing.glance(name)
	switch {
	case g.m == nil:
		return nil, nil, o.refusal(name, tunnel.Inactive, Failure{Message: "the tunnel has no such mapping any more"})
	case g.link != nil:
		conn, f := o.openOn(ctx, g.link, g.m, caller)
		if conn != nil {
			return conn, nil, nil
		}
		if f.Reason == tunnel.LinkLost { // or the mapping does not stand on it, and it is known why
			f = g.listener
		}
		if ctx.Err() == nil && f != (Failure{}) && f.Reason != tunnel.LinkLost {
			return nil, nil, o.refusal(name, tunnel.Down, f)
		}
	case g.adrift && awaits(&failed{g.listener}) == tunnel.Blocked:
		return nil, nil, o.refusal(name, tunnel.Down, g.listener)
	case g.state == tunnel.Blocked, g.state == tunnel.Disabled, g.state == tunnel.Inactive,
		g.state == tunnel.Waiting && g.why.Reason == tunnel.LoginPostponed: // for minutes
		return nil, nil, o.refusal(name, g.state, g.why)
	}
	return nil, g.turned, nil
}

// openOn opens a connection on a link. What comes of it is a verdict on the target, save where the server itself does not
// answer.
func (o *opener) openOn(ctx context.Context, l Link, m *mapping, caller string) (Conn, Failure) {
	asking, cancel := context.WithTimeoutCause(ctx, openPatience, errLate)
	defer cancel()
	conn, err := l.Open(asking, m.Mapping, caller)
	if err == nil {
		o.standing.reached(m)
		return conn, Failure{}
	}
	f := failure(o.engine, err)
	if f.Reason == "" && context.Cause(asking) == errLate {
		f = late(openPatience)
	}
	if ctx.Err() == nil && f.Reason != "" && f.Reason != tunnel.LinkLost && f.Reason != tunnel.ServerBusy {
		o.standing.missed(m.Mapping, f)
	}
	return nil, f
}

// refusal is why a mapping of this tunnel cannot be used.
func (o *opener) refusal(name string, state tunnel.State, why Failure) error {
	return &tunnel.StatusError{
		Ref: o.ref, Mapping: name, State: state, Reason: why.Reason,
		Message: tunnel.Clean(why.Message, 500), Remedy: why.Remedy,
	}
}
