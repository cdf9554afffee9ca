package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Target opens the service behind the mapping of that name once and closes it without a byte, at most for 10 s. Where
// opened is set, it calls that once the service is open and then hears what it says of itself, its first line or, at a port
// of TLS, its certificate; "" is nothing. What it says is no failure.
// TargetRefused: nothing listens there. TargetUnreachable: it does not answer, while the server does answer other
// questions; ServerBusy: nor does the server. ForwardingForbidden: the server does not let this login connect there.
func (l *Link) Target(ctx context.Context, name string, opened func()) (heard string, err error) {
	m, err := l.mapping(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, targetTimeout)
	defer cancel()
	c, port, err := m.openTarget(ctx)
	if err != nil {
		return "", err
	}
	if opened == nil {
		return "", c.Close()
	}
	opened()
	return l.hear(ctx, c, port), nil
}

// openTarget opens the service behind the mapping, at the site or on the PBX, and says at which port that is.
func (m *mapping) openTarget(ctx context.Context) (io.ReadWriteCloser, int, error) {
	if m.Kind.Exposes() {
		c, err := m.service(ctx)
		if err != nil {
			return nil, 0, m.refusedService(err)
		}
		return c, m.Local.Port, nil
	}
	ch, err := m.openForCheck(ctx, m.targetHost(), nil)
	if err != nil {
		return nil, 0, m.link.refusedTarget(err, m.targetHost(), m.Remote.Port)
	}
	m.link.connects()
	return ch, m.Remote.Port, nil
}

// refusedService says why the PBX service behind an expose mapping did not take a connection.
func (m *mapping) refusedService(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	where := "its module's own socket"
	if !m.Private() {
		host := m.Local.Host
		if host == "" {
			host = "127.0.0.1"
		}
		where = net.JoinHostPort(tunnel.Clean(host, 253), strconv.Itoa(m.Local.Port))
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return &Failure{
			Reason:  tunnel.TargetRefused,
			Message: fmt.Sprintf("nothing listens on %s, the service behind this mapping on the PBX", where),
			Remedy:  "start the service, or correct its port in the mapping",
			Diagnosis: diagnosis(tunnel.TargetClosed, []string{"the PBX was asked to connect to " + where + ": refused"},
				m.lookHere()...),
			Err: err,
		}
	}
	return &Failure{
		Reason:  tunnel.TargetUnreachable,
		Message: fmt.Sprintf("the PBX does not reach %s, the service behind this mapping", where),
		Remedy:  "check its address and the network between",
		Diagnosis: diagnosis(serviceCause(err), []string{"the PBX was asked to connect to " + where + ": " + tunnel.Clean(err.Error(), 150)},
			m.lookHere()...),
		Err: err,
	}
}

// serviceCause tells apart why a service of the PBX was not reached.
func serviceCause(err error) tunnel.Cause {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return tunnel.TargetUnknown
	case isTimeout(err):
		return tunnel.TargetFiltered
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return tunnel.TargetNoRoute
	}
	return ""
}

// lookHere shows what listens where the service should.
func (m *mapping) lookHere() []tunnel.Fix {
	if m.Private() {
		return nil
	}
	return []tunnel.Fix{{Where: onPBX, Line: fmt.Sprintf("ss -ltnp 'sport = :%d'", m.Local.Port)}}
}
