package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// inquiryTimeout bounds the question that tells why a port was refused.
const inquiryTimeout = 5 * time.Second

// refusedForward finds out why the server did not give a port. SSH says only no; what a connection to that port meets
// tells the cases apart.
func (l *Link) refusedForward(ctx context.Context, m *mapping) *Failure {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inquiryTimeout)
	defer cancel()
	port := m.Remote.Port
	ch, err := m.openForCheck(ctx, "localhost")
	var refused *ssh.OpenChannelError
	var gone *Failure
	switch {
	case err == nil:
		_ = ch.Close()
		return portHeld(port)
	case forbids(err):
		return l.portForbidden(port)
	case errors.As(err, &refused):
		if port < 1024 && l.config.Server.User != "root" {
			return privileged(port, l.config.Server.User)
		}
		l.allowed()
		return l.portForbidden(port)
	case errors.As(err, &gone):
		return gone
	}
	return serverBusy("why it refused a port")
}

func portHeld(port int) *Failure {
	return &Failure{
		Reason: tunnel.RemotePortHeld,
		Message: fmt.Sprintf("port %d at the SSH server is taken by another program, or still by an earlier connection of this tunnel",
			port),
		Remedy: fmt.Sprintf("see who holds it at the server: ss -ltnp 'sport = :%d'; against leftovers of lost connections set ClientAliveInterval 15 there",
			port),
	}
}

// portForbidden is a refusal by rule: of this port, if this login may do anything at all with ports.
func (l *Link) portForbidden(port int) *Failure {
	l.mu.Lock()
	some := l.forwards
	l.mu.Unlock()
	if some {
		return &Failure{
			Reason:  tunnel.RemotePortForbidden,
			Message: fmt.Sprintf("the SSH server does not let this login listen on its port %d", port),
			Remedy: fmt.Sprintf(`allow it at the server: AllowTcpForwarding yes and PermitListen localhost:%d in sshd_config, or permitlisten="localhost:%d" in the key's line (authorized_keys)`,
				port, port),
		}
	}
	return forwardingForbidden()
}

func forwardingForbidden() *Failure {
	return &Failure{
		Reason:  tunnel.ForwardingForbidden,
		Message: "the SSH server forbids port forwarding for this login",
		Remedy:  "allow it at the server: AllowTcpForwarding yes in sshd_config; no restrict or no-port-forwarding in the key's line (authorized_keys)",
	}
}

func privileged(port int, user string) *Failure {
	return &Failure{
		Reason: tunnel.RemotePortPrivileged,
		Message: fmt.Sprintf("port %d is below 1024: at the SSH server only root may listen on it, and the login is %s",
			port, tunnel.Clean(user, 80)),
		Remedy: "choose a remote port of 1024 or higher, or log in as root",
	}
}

// refusedTarget says why the server did not connect to a target; err is what open returned.
func (l *Link) refusedTarget(err error, host string, port int) *Failure {
	target := fmt.Sprintf("%s port %d", tunnel.Clean(host, 253), port)
	var refused *ssh.OpenChannelError
	var silent *unanswered
	var f *Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &silent) && !silent.alive:
		return serverBusy("to connect to " + target)
	case forbids(err):
		return &Failure{
			Reason:  tunnel.ForwardingForbidden,
			Message: "the SSH server forbids this login to connect to " + target,
			Remedy: fmt.Sprintf(`allow it at the server: AllowTcpForwarding yes and PermitOpen %s:%d in sshd_config, or permitopen="%s:%d" in the key's line`,
				tunnel.Clean(host, 253), port, tunnel.Clean(host, 253), port),
			Err: err,
		}
	case errors.As(err, &refused) && strings.Contains(strings.ToLower(refused.Message), "refused"):
		return &Failure{
			Reason:  tunnel.TargetRefused,
			Message: "nothing listens on " + target + ", seen from the SSH server",
			Remedy:  "check that the service runs there and listens on that address and port",
			Err:     err,
		}
	}
	return &Failure{
		Reason:  tunnel.TargetUnreachable,
		Message: "the SSH server does not reach " + target,
		Remedy:  "check address, name and firewalls between the SSH server and the target",
		Err:     err,
	}
}
