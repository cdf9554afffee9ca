package sshtunnel

import (
	"context"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// wordsTimeout is how long whoever holds a port has for its first words. A session of ours whose far end is gone says none.
const wordsTimeout = 2 * time.Second

// inquire makes a nonce for whoever holds the port, known here and to the process's other links before the server is asked
// to connect there: the connection may come to one of them before the server has confirmed it.
func (m *mapping) inquire() *ticket {
	p, t := m.remote.prover, newTicket("localhost")
	p.expect(t)
	p.crossing.send(m.Remote.Port, t.nonce, p, true)
	return t
}

// whoHolds asks a port that the server did not give, over a channel that it has opened to it at host. Nil is that t came to this
// very mapping: the server gave the port before and has not taken it back.
func (m *mapping) whoHolds(ctx context.Context, ch *channel, t *ticket, host string) *Failure {
	ctx, cancel := context.WithTimeout(ctx, wordsTimeout)
	defer cancel()
	found := m.meetAt(ctx, ch, t)
	evidence := []string{
		fmt.Sprintf("the server did not give port %d", m.Remote.Port),
		"it connected to its " + host + ": " + found.words(),
	}
	switch found.verdict {
	case itself:
		return nil
	case elsewhere:
		return m.heldByTunnel(found.at, evidence)
	case stranger:
		return m.portHeld(tunnel.HeldByStranger,
			fmt.Sprintf("port %d at the SSH server is taken by another program%s", m.Remote.Port, saying(found.said)), evidence)
	case cut:
		return m.link.gone()
	}
	return m.heldBySession(m.link.config.Earlier, append(evidence, fmt.Sprintf("it said nothing for %s, nor did it hang up", wordsTimeout)))
}

// expect has t's nonce recognised although no round is under way.
func (p *prover) expect(t *ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, t)
	p.late = p.late[max(0, len(p.late)-maxLate):]
}

// portHeld is the failure of a port that somebody else has; sentence says who.
func (m *mapping) portHeld(cause tunnel.Cause, sentence string, evidence []string) *Failure {
	look := m.whoListens()
	return &Failure{
		Reason:  tunnel.RemotePortHeld,
		Message: sentence,
		Remedy: fmt.Sprintf("see who holds it at the server (%s), end that program or choose another remote port; it is asked for again by itself",
			look.Line),
		Diagnosis: &tunnel.Diagnosis{Cause: cause, Evidence: evidence, Fixes: []tunnel.Fix{look}},
	}
}

// whoListens is the command that shows who has the port at the server.
func (m *mapping) whoListens() tunnel.Fix {
	if isWindows(m.link.ServerVersion()) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: fmt.Sprintf("Get-NetTCPConnection -LocalPort %d -State Listen", m.Remote.Port)}
	}
	return tunnel.Fix{Where: inShell, Line: fmt.Sprintf("ss -ltnp 'sport = :%d'", m.Remote.Port)}
}

// heldByTunnel is the failure of a port that another mapping of this process has. One of the same name is an earlier link
// of this tunnel.
func (m *mapping) heldByTunnel(other *prover, evidence []string) *Failure {
	if other.label == m.remote.prover.label && m.link.config.Label != "" {
		return m.heldBySession(m.link.config.Earlier, evidence)
	}
	f := m.portHeld(tunnel.HeldByOwnTunnel,
		fmt.Sprintf("port %d at the SSH server is held by another tunnel of this PBX: %s", m.Remote.Port, other.name()), evidence)
	f.Remedy = "both lead to the same server: choose another remote port for one of the two"
	return f
}

// heldBySession is the failure of a port that somebody holds who is silent, as the session of a link is that the server
// has not given up.
func (m *mapping) heldBySession(earlier time.Time, evidence []string) *Failure {
	sentence := fmt.Sprintf("port %d at the SSH server is held by a session that does not answer, most likely an earlier one of this PBX", m.Remote.Port)
	if !earlier.IsZero() {
		sentence = fmt.Sprintf("port %d at the SSH server is held by our own session of %s, which the server has not given up yet",
			m.Remote.Port, clock(earlier))
	}
	f := m.portHeld(tunnel.HeldByOwnSession, sentence, evidence)
	f.Remedy = "nothing to do: the port is asked for again until the server gives it up, which it does sooner with ClientAliveInterval 15 and ClientAliveCountMax 3 in its sshd_config; to have it at once end that session there"
	f.Diagnosis.Fixes = append(append(m.endSession(), []tunnel.Fix{
		m.link.sshdConfig("ClientAliveInterval 15"), m.link.sshdConfig("ClientAliveCountMax 3"), m.link.reload(),
	}...), f.Diagnosis.Fixes...)
	return f
}

// endSession is the command that ends the session which has the port at the server; that one learns nothing of what is
// changed in sshd_config. None where the server is Windows, where no short line does it.
func (m *mapping) endSession() []tunnel.Fix {
	if isWindows(m.link.ServerVersion()) {
		return nil
	}
	return []tunnel.Fix{{Where: inShell + ", as root: ends that session",
		Line: fmt.Sprintf("kill $(ss -Hltnp 'sport = :%d' | grep -o 'sshd.*pid=[0-9]*' | grep -o '[0-9]*$')", m.Remote.Port)}}
}

// clock is a time as it is told to people: the hour, with the day where that is another.
func clock(t time.Time) string {
	t = t.Local()
	if time.Since(t) < 18*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}
