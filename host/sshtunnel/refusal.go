package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// inquiryTimeout bounds the questions that tell why a port was refused.
const inquiryTimeout = 5 * time.Second

// refusedForward finds out why the server did not give a port. SSH says only no; what a connection to that port meets,
// and what else the server refuses, tells the cases apart. Nil is that the port is ours all the same: from before, or
// because whoever had it let go of it meanwhile.
func (l *Link) refusedForward(ctx context.Context, m *mapping) *Failure {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inquiryTimeout)
	defer cancel()
	t := m.inquire()
	defer l.config.Crossing.settle(m.Remote.Port, t.nonce)
	for _, host := range m.holders() {
		ch, err := m.openForCheck(ctx, host, t.send)
		var refused *ssh.OpenChannelError
		var gone *Failure
		switch {
		case err == nil:
			l.connects()
			return m.whoHolds(ctx, ch, t, host)
		case forbids(err):
			return m.portForbidden(ctx, false, "the server was asked to connect to its "+host+": it may not")
		case errors.As(err, &refused):
			l.connects()
		case errors.As(err, &gone):
			return gone
		default:
			return l.noAnswer("why it refused a port")
		}
	}
	if given, err := m.askAgain(ctx); given || err != nil {
		return err
	}
	if m.Remote.Port < 1024 && l.config.Server.User != "root" && !isWindows(l.ServerVersion()) {
		return m.privileged()
	}
	return m.portForbidden(ctx, true, "the server was asked to connect to its localhost: nobody there")
}

// holders are the addresses at which whoever holds the port may be met. A program on the outer address alone keeps a
// gateway's port from us.
func (m *mapping) holders() []string {
	hosts := []string{"localhost"}
	if outer := m.link.outer(); m.Kind.Gateway() && outer.IsValid() {
		hosts = append(hosts, outer.String())
	}
	return hosts
}

// portForbidden is a refusal by rule: of this port, if this login may do anything at all with ports. mayConnect is
// whether it may connect to the port.
func (m *mapping) portForbidden(ctx context.Context, mayConnect bool, found string) *Failure {
	l := m.link
	rule := l.askRule(ctx)
	evidence := append([]string{fmt.Sprintf("the server did not give port %d", m.Remote.Port), found}, rule.evidence()...)
	l.mu.Lock()
	some := l.forwards || l.opens && rule != ruleRestricts
	l.mu.Unlock()
	switch {
	case rule == ruleAllows, some && !mayConnect && rule != ruleDenies:
		return m.listForbids(mayConnect, evidence)
	case mayConnect, some:
		return m.remoteForbidden(rule, mayConnect, evidence)
	}
	return m.forwardingForbidden(rule, evidence)
}

// remoteForbidden is the refusal to a login that may connect to targets: either remote forwards are off, or a list holds
// other ports. Where the server did not tell, both ways out are given.
func (m *mapping) remoteForbidden(rule rule, mayConnect bool, evidence []string) *Failure {
	a := m.link.advisor()
	fixes := []tunnel.Fix{a.sshdConfig("AllowTcpForwarding yes")}
	remedy := "set AllowTcpForwarding yes in the server's sshd_config and reload it"
	if rule != ruleDenies {
		fixes = append(fixes, m.permits(mayConnect)...)
		remedy += `, or allow the port in the key's line ("culvert key show OWNER/NAME" prints it) and in PermitListen there`
	}
	fixes = append(fixes, a.reload())
	if rule != ruleDenies && m.link.byKey() {
		fixes = append(fixes, a.keyLines()...)
	}
	return m.notGiven(tunnel.ForwardingLocal, remedy, evidence, fixes)
}

// listForbids is the refusal of one port, by a list of others.
func (m *mapping) listForbids(mayConnect bool, evidence []string) *Failure {
	a := m.link.advisor()
	fixes := append(m.permits(mayConnect), a.reload())
	if m.link.byKey() {
		fixes = append(a.keyLines(), fixes...)
	}
	return m.notGiven(tunnel.PermitListenOther,
		`allow the port at the server, in the key's line ("culvert key show OWNER/NAME" prints it) and in PermitListen of its sshd_config where that has such a line`,
		evidence, fixes)
}

// permits are the lists of the server's configuration that may hold other ports: those to listen on, and those to connect
// to where the login may not connect to this one either.
func (m *mapping) permits(mayConnect bool) []tunnel.Fix {
	a := m.link.advisor()
	fixes := []tunnel.Fix{a.permitListen(m.Mapping)}
	if !mayConnect {
		fixes = append(fixes, a.permitOpen(m.Mapping))
	}
	return fixes
}

// notGiven is the refusal of a port by a rule. Dropbear has only one.
func (m *mapping) notGiven(cause tunnel.Cause, remedy string, evidence []string, fixes []tunnel.Fix) *Failure {
	if tunnel.IsDropbear(m.link.ServerVersion()) {
		remedy, fixes = "start dropbear without -k", []tunnel.Fix{dropbearWithout("k")}
	}
	return &Failure{
		Reason:    tunnel.RemotePortForbidden,
		Message:   fmt.Sprintf("the SSH server does not let this login listen on its port %d", m.Remote.Port),
		Remedy:    remedy + thenRestart,
		Diagnosis: &tunnel.Diagnosis{Cause: cause, Evidence: evidence, Fixes: append(fixes, m.link.advisor().restart())},
	}
}

// forwardingForbidden is the refusal of everything. That it is the key's line, or else sshd_config, the server tells by
// the length of its refusal or not at all; for a login by key both ways out are given.
func (m *mapping) forwardingForbidden(rule rule, evidence []string) *Failure {
	a := m.link.advisor()
	server := a.forwardingOn(rule)
	if tunnel.IsDropbear(a.version) {
		server = []tunnel.Fix{dropbearWithout("jk")}
	}
	d := &tunnel.Diagnosis{Cause: tunnel.ForwardingOff, Evidence: evidence, Fixes: server}
	message := "the SSH server forbids port forwarding for this login"
	if m.link.byKey() && rule != ruleDenies {
		key := a.keyLines()
		d.Fixes = append(server, key...)
		if rule == ruleRestricts {
			d.Cause, d.Fixes = tunnel.KeyRestricted, append(key, server...)
			message = "the line of this key at the SSH server forbids port forwarding, or the server does for all"
		}
	}
	if m.link.byKey() && !isWindows(a.version) {
		d.Fixes = append(d.Fixes, tunnel.Fix{Where: inShell + ": with an expired password sshd takes the key and forbids all else",
			Line: "chage -l " + word(tunnel.Clean(a.user, 80))})
	}
	d.Fixes = append(d.Fixes, a.restart())
	return &Failure{
		Reason:    tunnel.ForwardingForbidden,
		Message:   message,
		Remedy:    "allow it at the server: AllowTcpForwarding yes in sshd_config; no restrict or no-port-forwarding in the key's line (authorized_keys)" + thenRestart,
		Diagnosis: d,
	}
}

func (m *mapping) privileged() *Failure {
	return &Failure{
		Reason: tunnel.RemotePortPrivileged,
		Message: fmt.Sprintf("port %d is below 1024: at the SSH server only root may listen on it, and the login is %s",
			m.Remote.Port, tunnel.Clean(m.link.config.Server.User, 80)),
		Remedy: "choose a remote port of 1024 or higher, or log in as root",
		Diagnosis: &tunnel.Diagnosis{
			Evidence: []string{fmt.Sprintf("the server did not give port %d, and nobody has it", m.Remote.Port)},
			Fixes:    []tunnel.Fix{m.link.onPBX("tunnel set", "--"+string(m.Kind), m.unprivileged().String())},
		},
	}
}

// unprivileged is the mapping at a port that every login may listen on: 443 becomes 8443.
func (m *mapping) unprivileged() tunnel.Mapping {
	out := m.Mapping
	out.Remote.Port += 8000
	return out
}

// byKey reports whether the login was by key: then the key's line may be what forbids.
func (l *Link) byKey() bool { return l.config.Credential.Login != tunnel.LoginPassword }

// opensSome reports whether some target could be asked for on this link.
func (l *Link) opensSome() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opens
}
