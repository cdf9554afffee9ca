package supervisor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// dialLocal connects to the service behind an expose mapping, for whoever comes from the site. That it did not take
// the connection is a verdict on it.
func (k *keeper) dialLocal(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
	conn, err := k.config.DialLocal(ctx, k.ref, m)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.standing.missed(m, unserved(err))
	}
	return conn, err
}

// unserved is why a service on the PBX's side did not take a connection.
func unserved(err error) Failure {
	var se *tunnel.StatusError
	if errors.As(err, &se) && se.Reason != "" {
		return Failure{Reason: se.Reason, Message: se.Message, Remedy: se.Remedy}
	}
	f := Failure{
		Reason: tunnel.TargetUnreachable, Message: "the service on the PBX's side does not answer: " + err.Error(),
		Remedy: "check that it runs and that the mapping names its address",
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		f.Reason = tunnel.TargetRefused
		f.Message = "nothing listens where the mapping leads on the PBX's side: " + err.Error()
	}
	return f
}

// missed notes that a connection of others did not reach the service behind m: it is down until one does, or until
// the host reaches it, which tries at once unless it did so lately.
func (s *standing) missed(m tunnel.Mapping, why Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(m)
	if e == nil || s.usable() == nil {
		return
	}
	e.target = verdict{given: true, why: why}
	s.settle()
	if e.carrier != nil {
		e.carrier.asking.hurry()
	}
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
