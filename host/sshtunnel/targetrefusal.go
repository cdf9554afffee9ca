package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

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
		return l.noAnswer("to connect to " + target)
	case forbids(err):
		return l.targetForbidden(err, host, port)
	case errors.As(err, &refused):
		f = l.targetFailed(refused, host, port)
	default:
		f = l.targetUnreachable(tunnel.TargetFiltered, target, "check firewalls between the SSH server and the target: it does not answer")
		f.Diagnosis.Fixes = append(f.Diagnosis.Fixes, l.tryThere(host, port))
		f.Diagnosis.Evidence = []string{"the server answers other questions meanwhile, and has not answered whether it reached " + target}
	}
	f.Err = err
	return f
}

// targetForbidden is the refusal by a rule. OpenSSH has one answer for all of them; what else this login may do tells
// some apart.
func (l *Link) targetForbidden(err error, host string, port int) *Failure {
	a, at := l.advisor(), hostPort(tunnel.Server{Host: tunnel.Clean(host, 253), Port: port})
	cause, rule := l.whatForbidsTargets()
	server := a.targetsAllowed(cause, rule, tunnel.Mapping{Kind: tunnel.Reach, Remote: tunnel.Endpoint{Host: host, Port: port}})
	var key []tunnel.Fix
	if l.byKey() && rule != ruleDenies {
		key = a.keyLines()
	}
	fixes := append(server, key...)
	if cause == tunnel.PermitOpenOther || cause == tunnel.KeyRestricted {
		fixes = append(key, server...)
	}
	return &Failure{
		Reason:  tunnel.ForwardingForbidden,
		Message: fmt.Sprintf("the SSH server forbids this login to connect to %s port %d", tunnel.Clean(host, 253), port),
		Remedy: fmt.Sprintf(`allow it at the server: AllowTcpForwarding yes in sshd_config, %s in PermitOpen where that has such a line, and in the key's line ("culvert key show OWNER/NAME" prints it)`,
			at) + thenRestart,
		Diagnosis: &tunnel.Diagnosis{
			Cause:    cause,
			Evidence: []string{"the server was asked to connect to " + at + ": it may not"},
			Fixes:    append(fixes, a.restart()),
		},
		Err: err,
	}
}

// targetsAllowed are the ways to have the server's rules allow targets, asked among them, that it forbids because of cause.
func (a advisor) targetsAllowed(cause tunnel.Cause, known rule, asked tunnel.Mapping) []tunnel.Fix {
	switch {
	case tunnel.IsDropbear(a.version):
		return []tunnel.Fix{dropbearWithout("j")}
	case cause == tunnel.PermitOpenOther:
		return []tunnel.Fix{a.permitOpen(asked), a.reload()}
	case cause == tunnel.PermitOpenNone:
		return []tunnel.Fix{a.sshdConfig("AllowTcpForwarding yes"), a.permitOpen(asked), a.reload()}
	}
	return a.forwardingOn(known)
}

// whatForbidsTargets tells by what else this login may do, and what the server told of its rules where it was asked. What
// remains looks the same from outside: PermitOpen none, AllowTcpForwarding remote, and a list of other targets of which
// none was asked for.
func (l *Link) whatForbidsTargets() (tunnel.Cause, rule) {
	l.mu.Lock()
	opens, forwards := l.opens, l.forwards
	l.mu.Unlock()
	if opens {
		return tunnel.PermitOpenOther, ruleUnknown
	}
	if forwards {
		return tunnel.PermitOpenNone, ruleUnknown
	}
	ctx, cancel := context.WithTimeout(l.ctx, inquiryTimeout)
	defer cancel()
	switch rule := l.askRule(ctx); {
	case rule == ruleDenies, rule == ruleRestricts && !l.byKey():
		return tunnel.ForwardingOff, rule
	case rule == ruleRestricts:
		return tunnel.KeyRestricted, rule
	}
	return tunnel.PermitOpenNone, ruleUnknown
}

// targetWords are the words of systems about a connection that failed, by what they mean; the first that fits counts.
var targetWords = []struct {
	cause tunnel.Cause
	words []string
}{
	{tunnel.TargetClosed, []string{"refused"}},
	{tunnel.ResolverSilent, []string{"temporary failure", "try again"}},
	{tunnel.TargetUnknown, []string{"not known", "no address", "nodename", "no such host", "resolv"}},
	{tunnel.TargetFiltered, []string{"timed out", "timeout"}},
	{tunnel.TargetHostUnreachable, []string{"no route to host", "host is unreachable", "host unreachable"}},
	{tunnel.TargetNoRoute, []string{"no route", "unreachable"}},
}

// targetCause reads what a server said about a target. One that gives no reason has not found the name, or its system did
// not even try: there is no route.
func targetCause(said, host string) tunnel.Cause {
	said = strings.ToLower(said)
	for _, t := range targetWords {
		if slices.ContainsFunc(t.words, func(w string) bool { return strings.Contains(said, w) }) {
			return t.cause
		}
	}
	if tunnel.LookedUp(host) {
		return tunnel.TargetUnknown
	}
	return tunnel.TargetNoRoute
}

// targetFailed is what the server's connect ended with, in the words of its system.
func (l *Link) targetFailed(refused *ssh.OpenChannelError, host string, port int) *Failure {
	name := tunnel.Clean(host, 253)
	target := fmt.Sprintf("%s port %d", name, port)
	cause := targetCause(refused.Message, host)
	f := l.targetUnreachable(cause, target, "check firewalls between the SSH server and the target: it does not answer")
	fix := l.tryThere(host, port)
	switch cause {
	case tunnel.TargetClosed:
		f.Reason, f.Message = tunnel.TargetRefused, "nothing listens on "+target+", seen from the SSH server"
		f.Remedy = "check that the service runs there and listens on that address and port"
		fix = l.listenersThere(host, port)
	case tunnel.ResolverSilent:
		f.Message = "the SSH server's name servers gave no answer about " + name
		f.Remedy = "check name resolution at the SSH server (/etc/resolv.conf), or give the target as an address"
		f.Diagnosis = l.advisor().resolverSilent()
		fix = tunnel.Fix{Where: inShell, Line: "getent hosts " + name}
	case tunnel.TargetUnknown:
		f.Message = "the SSH server does not know the name " + name
		f.Remedy = "check its spelling, or give the target as an address"
		fix = tunnel.Fix{Where: inShell, Line: "getent hosts " + name}
	case tunnel.TargetHostUnreachable:
		f.Remedy = "a firewall or router between the SSH server and the target refuses it, or the machine is switched off"
		fix.Line = "ip neigh show " + name + "; " + fix.Line
		if isWindows(l.ServerVersion()) {
			fix = l.tryThere(host, port)
		}
	case tunnel.TargetNoRoute:
		f.Remedy = "check the address, and the route to it at the SSH server"
		fix = tunnel.Fix{Where: inShell, Line: "ip route get " + name}
	}
	f.Diagnosis.Fixes = append(f.Diagnosis.Fixes, fix)
	f.Diagnosis.Evidence = append(f.Diagnosis.Evidence, fmt.Sprintf("the server was asked to connect to %s: %s", target, tunnel.Clean(refused.Message, maxSaid)))
	return f
}

func (l *Link) targetUnreachable(cause tunnel.Cause, target, remedy string) *Failure {
	return &Failure{
		Reason:    tunnel.TargetUnreachable,
		Message:   "the SSH server does not reach " + target,
		Remedy:    remedy,
		Diagnosis: &tunnel.Diagnosis{Cause: cause},
	}
}

// tryThere is a command at the server that shows whether the target answers.
func (l *Link) tryThere(host string, port int) tunnel.Fix {
	host = tunnel.Clean(host, 253)
	if isWindows(l.ServerVersion()) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: fmt.Sprintf("Test-NetConnection %s -Port %d", host, port)}
	}
	return tunnel.Fix{Where: inShell, Line: fmt.Sprintf("nc -vz -w 5 %s %d", host, port)}
}

// listenersThere is a command that shows what listens at the target.
func (l *Link) listenersThere(host string, port int) tunnel.Fix {
	if isWindows(l.ServerVersion()) {
		return tunnel.Fix{Where: "PowerShell at the target", Line: fmt.Sprintf("Get-NetTCPConnection -LocalPort %d -State Listen", port)}
	}
	where := "a shell at " + tunnel.Clean(host, 253)
	if tunnel.Loops(host) {
		where = inShell
	}
	return tunnel.Fix{Where: where, Line: fmt.Sprintf("ss -ltnp 'sport = :%d'", port)}
}

// saysRefused reports whether the server's system said that a connection was refused.
func saysRefused(e *ssh.OpenChannelError) bool {
	return strings.Contains(strings.ToLower(e.Message), "refused")
}
