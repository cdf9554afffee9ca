package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Target opens the service behind the mapping of that name once and closes it without a byte, at most for 10 s.
// TargetRefused: nothing listens there. TargetUnreachable: it does not answer, while the server does answer other
// questions; ServerBusy: nor does the server. ForwardingForbidden: the server does not let this login connect there.
func (l *Link) Target(ctx context.Context, name string, _ bool) (heard string, err error) {
	m, err := l.mapping(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, targetTimeout)
	defer cancel()
	if m.Kind.Exposes() {
		return "", m.targetHere(ctx)
	}
	ch, err := m.openForCheck(ctx, m.targetHost())
	if err != nil {
		return "", l.refusedTarget(err, m.targetHost(), m.Remote.Port)
	}
	return "", ch.Close()
}

// targetHere opens the PBX service behind an expose mapping.
func (m *mapping) targetHere(ctx context.Context) error {
	c, err := m.service(ctx)
	if err != nil {
		return m.refusedService(err)
	}
	return c.Close()
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
			Err:     err,
		}
	}
	return &Failure{
		Reason:  tunnel.TargetUnreachable,
		Message: fmt.Sprintf("the PBX does not reach %s, the service behind this mapping", where),
		Remedy:  "check its address and the network between",
		Err:     err,
	}
}
