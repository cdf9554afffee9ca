package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// heldPort is the error of a port of which some address could not be had.
type heldPort struct {
	m       tunnel.Mapping
	held    []heldAddress
	partial bool // others could be
}

// heldAddress is one address of a port that could not be had; "" is all addresses.
type heldAddress struct {
	host string
	err  error
}

// Error names the addresses.
func (h *heldPort) Error() string { return fmt.Sprintf("port %d on %s", h.m.Local.Port, h.where()) }

// Unwrap is the system's error.
func (h *heldPort) Unwrap() error { return h.held[0].err }

func (h *heldPort) where() string {
	var where []string
	for _, a := range h.held {
		if a.host == "" {
			return "all addresses"
		}
		where = append(where, a.host)
	}
	return strings.Join(where, " and ")
}

// inUse is why a port could not be opened, as it was found at some time: to look who holds it takes a while.
type inUse struct {
	Failure
	where string
	at    time.Time
}

// lookAgain is how long an answer to who holds a port is good.
const lookAgain = 30 * time.Second

// renewed is u for err, found anew where that is due.
func (u inUse) renewed(err error) inUse {
	if u.where == err.Error() && time.Since(u.at) < lookAgain {
		return u
	}
	return inUse{cannotOpen(err), err.Error(), time.Now()}
}

// cannotOpen is the failure of a port that could not be opened.
func cannotOpen(err error) Failure {
	var h *heldPort
	if !errors.As(err, &h) {
		return Failure{Reason: tunnel.LocalPortInUse, Message: err.Error(), Remedy: "choose another local port"}
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		return Failure{
			Reason:  tunnel.LocalPortPrivileged,
			Message: "the PBX does not let this program listen on " + err.Error(),
			Remedy:  "choose a local port of 1024 or higher, or give the service CAP_NET_BIND_SERVICE",
		}
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return Failure{
			Reason:  tunnel.LocalPortInUse,
			Message: fmt.Sprintf("the PBX cannot listen on %s: %v", err, h.held[0].err),
			Remedy:  "choose another local port",
		}
	}
	return taken("something else on the PBX holds "+err.Error(), h.m, h.partial)
}

// taken is the failure of a port that somebody else has; who, is looked up.
func taken(what string, m tunnel.Mapping, partial bool) Failure {
	d := &tunnel.Diagnosis{Cause: tunnel.HeldByStranger, Fixes: []tunnel.Fix{{
		Where: "on the PBX", Line: seeWho(m.Local.Port),
	}}}
	if partial {
		d.Cause = tunnel.HeldInOneFamily
	}
	var who []string
	for _, h := range holders(m.Local.Port) {
		d.Evidence = append(d.Evidence, h.addr.String()+": "+h.who())
		who = append(who, h.who())
	}
	if len(who) > 0 {
		what += ": " + who[0]
	}
	return Failure{
		Reason: tunnel.LocalPortInUse, Message: what, Diagnosis: d,
		Remedy: "see which: " + seeWho(m.Local.Port) + "; stop it or choose another local port",
	}
}

func seeWho(port int) string { return fmt.Sprintf("ss -ltnp 'sport = :%d'", port) }

// astray is the failure of a port at which our own connection to addr met somebody else, or nobody.
func (x *port) astray(addr netip.AddrPort, err error) Failure {
	f := Failure{
		Reason:  tunnel.LocalPortInUse,
		Message: fmt.Sprintf("a connection to the PBX's own port %s does not arrive at this tunnel", addr),
		Remedy: fmt.Sprintf("see who listens, and which firewall rules redirect it: %s; nft list ruleset; iptables -t nat -S",
			seeWho(x.mapping.Local.Port)),
		Diagnosis: &tunnel.Diagnosis{Cause: tunnel.HeldByStranger, Evidence: []string{addr.String() + ": " + err.Error()}},
	}
	for _, fix := range []string{seeWho(x.mapping.Local.Port), "nft list ruleset", "iptables -t nat -S"} {
		f.Diagnosis.Fixes = append(f.Diagnosis.Fixes, tunnel.Fix{Where: "on the PBX", Line: fix})
	}
	return f
}

// wider is the failure of a port that others reach though only the PBX shall.
func wider(m tunnel.Mapping) Failure {
	return Failure{
		Reason: tunnel.WiderThanDeclared,
		Message: fmt.Sprintf("port %d of the PBX answers at %s too: not only the PBX itself reaches it", m.Local.Port,
			net.JoinHostPort(elsewhere.String(), strconv.Itoa(m.Local.Port))),
		Remedy: "see which firewall rules redirect it: nft list ruleset; iptables -t nat -S",
	}
}

// narrower is the failure of a port that others do not reach though they shall.
func narrower(m tunnel.Mapping) Failure {
	return Failure{
		Reason:  tunnel.NarrowerThanDeclared,
		Message: fmt.Sprintf("port %d of the PBX answers on localhost alone: other hosts do not reach it", m.Local.Port),
		Remedy:  "see which firewall rules stop it: nft list ruleset; iptables -S",
	}
}
