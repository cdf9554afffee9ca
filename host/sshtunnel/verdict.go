package sshtunnel

import (
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// verdict is what was found at one address of a remote port.
type verdict int

const (
	unasked   verdict = iota
	itself            // the nonce came back, and its answer
	elsewhere         // it came out at another mapping of this process
	nobody            // nothing listens there
	forbidden         // the server does not let us ask
	stranger          // something else answers there
	noReturn          // something took the nonce, and nothing came back though the server answers what it was asked later
	silence           // the server has not answered
	cut               // the link is gone
)

// finding is a verdict with its evidence.
type finding struct {
	verdict verdict
	refused bool    // nobody: the connection was refused, so the address exists
	said    string  // the stranger's first words, or why the server did not connect; escaped
	at      *prover // elsewhere: where it came out
}

// findings are those of one round by address.
type findings map[string]finding

// hold reports whether v was found at some loopback address.
func (f findings) hold(v verdict) bool {
	return slices.ContainsFunc(loopbacks, func(host string) bool { return f[host].verdict == v })
}

// partial reports whether the server has not, or not alone, what it said yes to: asked again it may get all of it.
func (f findings) partial() bool {
	here := f["localhost"].verdict
	return f.hold(stranger) || f.hold(elsewhere) || here == nobody || here == itself && f.hold(noReturn)
}

// evidence says what was found where.
func (f findings) evidence() []string {
	hosts := slices.Clone(loopbacks)
	var rest []string
	for h := range f {
		if !slices.Contains(hosts, h) {
			rest = append(rest, h)
		}
	}
	slices.Sort(rest)
	var lines []string
	for _, h := range append(hosts, rest...) {
		if v := f[h]; v.verdict != unasked {
			lines = append(lines, "the server was asked to connect to its "+tunnel.Clean(h, 100)+": "+v.words())
		}
	}
	return lines
}

// words are what f means.
func (f finding) words() string {
	switch f.verdict {
	case itself:
		return "it met us"
	case elsewhere:
		return "it met " + f.at.name()
	case nobody:
		return "nobody there" + inBrackets(f.said)
	case forbidden:
		return "it may not"
	case stranger:
		return "another program" + saying(f.said)
	case noReturn:
		return "the connection was taken, and nothing came back, though the server answered what it was asked later"
	case silence:
		return "no answer"
	}
	return "the connection to the server ended"
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// saying quotes the first words of a program.
func saying(s string) string {
	if s == "" {
		return " that hung up"
	}
	return ` that said "` + s + `"`
}

// name is what the mapping is called.
func (p *prover) name() string { return tunnel.Clean(p.label, 150) }

// judgeFound turns what was found at the addresses into one verdict about the port.
func (m *mapping) judgeFound(found findings) *Failure {
	port := m.Remote.Port
	for _, host := range loopbacks {
		switch f := found[host]; f.verdict {
		case stranger:
			return m.heldBy(found, fmt.Sprintf("at the SSH server something else answers on %s port %d%s: who connects there does not reach the PBX",
				host, port, inBrackets(f.said)))
		case elsewhere:
			return m.heldByTunnel(f.at, found.evidence())
		case noReturn:
			return m.heldBy(found, fmt.Sprintf("a connection to %s port %d at the SSH server did not come back to the PBX in time: something else seems to have it",
				host, port))
		}
	}
	if host := m.strangerOutside(found); host != "" {
		return m.heldBy(found, fmt.Sprintf("at the SSH server something else answers on its address %s port %d%s: hosts that connect there do not reach the PBX",
			host, port, inBrackets(found[host].said)))
	}
	switch found["localhost"].verdict {
	case forbidden:
		return m.proofForbidden(found)
	case nobody:
		if found.hold(itself) {
			return m.heldBy(found, fmt.Sprintf("the SSH server has only a part of port %d: nobody answers on its localhost, so something else keeps that from it", port))
		}
		return m.nothingThere(found)
	case silence:
		return m.link.noAnswer("to carry a proof")
	case cut:
		return m.link.gone()
	}
	return nil
}

// strangerOutside is the address beside loopback at which another program has a gateway's port, "" where there is none.
// Who exposes a port on localhost alone leaves the others to whoever wants them.
func (m *mapping) strangerOutside(found findings) string {
	outer := m.link.outer().String()
	if v := found[outer].verdict; m.Kind.Gateway() && (v == stranger || v == elsewhere) {
		return outer
	}
	return ""
}

// heldBy is the failure of a port that the server said yes to and that somebody else has, perhaps in one family only.
func (m *mapping) heldBy(found findings, sentence string) *Failure {
	f := m.portHeld(tunnel.HeldByStranger, sentence, found.evidence())
	if found.hold(itself) {
		f.Diagnosis.Cause = tunnel.HeldInOneFamily
	}
	return f
}

func crowded(port int) *Failure {
	return &Failure{
		Reason:  tunnel.ServerBusy,
		Message: fmt.Sprintf("so many connections come through port %d at the SSH server that some are refused, the proof among them", port),
		Remedy: fmt.Sprintf("see who connects there: ss -tnp 'sport = :%d'; at most %d are open at a time",
			port, maxConnections),
		Diagnosis: &tunnel.Diagnosis{
			Cause: tunnel.Crowded,
			Fixes: []tunnel.Fix{{Where: inShell, Line: fmt.Sprintf("ss -tnp 'sport = :%d'", port)}},
		},
	}
}

// proofForbidden is the failure of a port that works, as far as anybody can tell. SSH has one answer for all rules that
// forbid the question; another target that may be asked for tells that it is a list.
func (m *mapping) proofForbidden(found findings) *Failure {
	port, a := m.Remote.Port, m.link.advisor()
	cause := tunnel.PermitOpenNone
	if m.link.opensSome() || slices.ContainsFunc(loopbacks, func(h string) bool { return found[h].verdict == itself }) {
		cause = tunnel.PermitOpenOther
	}
	fixes := a.targetsAllowed(cause, ruleUnknown, m.Mapping)
	if m.link.byKey() {
		fixes = append(a.keyLines(), fixes...)
	}
	return &Failure{
		Reason: tunnel.ProofForbidden,
		Message: fmt.Sprintf("the SSH server said yes to port %d, but does not let this login connect to it, so whether it works cannot be proved",
			port),
		Remedy: fmt.Sprintf(`allow the question at the server: AllowTcpForwarding yes in sshd_config, localhost:%d 127.0.0.1:%d [::1]:%d in PermitOpen where that has such a line, and in the key's line ("culvert key show OWNER/NAME" prints it)`,
			port, port, port) + thenRestart,
		Diagnosis: &tunnel.Diagnosis{Cause: cause, Evidence: found.evidence(), Fixes: append(fixes, a.restart())},
	}
}

func (m *mapping) nothingThere(found findings) *Failure {
	look := m.whoListens()
	return &Failure{
		Reason:  tunnel.RemotePortForbidden,
		Message: fmt.Sprintf("the SSH server said yes to port %d, but nothing listens there", m.Remote.Port),
		Remedy:  "look at the server's log and at its listeners: " + look.Line,
		Diagnosis: &tunnel.Diagnosis{
			Cause: tunnel.NotListening, Evidence: found.evidence(), Fixes: []tunnel.Fix{look, m.link.advisor().log()},
		},
	}
}
