package sshtunnel

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxMute is how often an address beside loopback is asked that gives no answer: each question occupies a place until the
// server has given it up, which may take minutes.
const maxMute = 2

// loopbacks are the host strings of the server itself: what is found there decides whether a mapping works.
var loopbacks = []string{"localhost", "127.0.0.1", "::1"}

// proofHosts are the host strings to ask about a port: the loopback ones first, then those at which only a listener on
// all addresses is met.
func (l *Link) proofHosts() []string {
	c := l.config
	hosts := tunnel.ProofHosts(tunnel.Tunnel{Server: c.Server, LAN: c.LAN})
	if outer := l.outer(); outer.IsValid() && !slices.Contains(hosts, outer.String()) {
		hosts = append(hosts, outer.String())
	}
	return hosts
}

// outer is the server's address in its own network: as given, else as it was dialled. Through a proxy that is unknown,
// unless the server was given by it; a loopback address is none.
func (l *Link) outer() netip.Addr {
	addr := l.config.LAN
	switch {
	case addr != "":
	case l.config.Via != (tunnel.Via{}):
		addr = l.config.Server.Host
	default:
		addr, _, _ = net.SplitHostPort(l.sock.RemoteAddr().String())
	}
	a, err := netip.ParseAddr(addr)
	if err != nil || a.IsLoopback() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// boundOf is where a port is offered, as far as was found; lan is the server's address as the operator gave it. To meet
// ourselves beyond loopback is proof of all addresses. That nobody is met there proves loopback only where the address is
// surely the server's: the probe's on a system that has it, which then says that it refused; the outer one where the
// operator gave it.
func boundOf(found findings, lan, version string) tunnel.Bound {
	for host, f := range found {
		if f.verdict == itself && !slices.Contains(loopbacks, host) {
			return tunnel.BoundAll
		}
	}
	probe, outer := found[tunnel.LoopbackProbe], found[lan]
	switch {
	case found["localhost"].verdict != itself:
		return tunnel.BoundUnknown
	case probe.refused && !isWindows(version), probe.verdict == stranger, probe.verdict == elsewhere:
		return tunnel.BoundLoopback
	case lan != "" && outer.refused:
		return tunnel.BoundLoopback
	}
	return tunnel.BoundUnknown
}

// Bound is where the server really offers the port of the expose mapping of that name, as far as its proofs have measured
// it; of any other mapping it is unknown.
func (l *Link) Bound(name string) tunnel.Bound {
	m, err := l.mapping(name)
	if err != nil || !m.Kind.Exposes() {
		return tunnel.BoundUnknown
	}
	return m.remote.prover.offered()
}

// judgeBound compares where the port is offered with what was declared.
func (m *mapping) judgeBound(b tunnel.Bound, found findings) *Failure {
	switch {
	case b == tunnel.BoundAll && m.Kind == tunnel.Expose:
		return m.wider(found.evidence())
	case b == tunnel.BoundLoopback && m.Kind == tunnel.ExposeGateway:
		return m.narrower(found.evidence())
	}
	return nil
}

func (m *mapping) wider(evidence []string) *Failure {
	accept := m.link.onPBX("tunnel set", "--accept-wider", m.Name)
	accept.Where += ", to accept it instead"
	return &Failure{
		Reason: tunnel.WiderThanDeclared,
		Message: fmt.Sprintf("the SSH server offers port %d on all its addresses, to every host that reaches it, and not to itself alone as declared",
			m.Remote.Port),
		Remedy: "set GatewayPorts clientspecified in the server's sshd_config and reload it" + thenRestart + "; or accept it: culvert tunnel set OWNER/NAME --accept-wider " + m.Name,
		Diagnosis: &tunnel.Diagnosis{
			Evidence: evidence,
			Fixes:    append(m.link.gatewayPorts(dropbearWithout("a")), accept),
		},
	}
}

func (m *mapping) narrower(evidence []string) *Failure {
	return &Failure{
		Reason: tunnel.NarrowerThanDeclared,
		Message: fmt.Sprintf("the SSH server offers port %d to itself alone, and not to the hosts beside it as declared: they cannot connect",
			m.Remote.Port),
		Remedy: "set GatewayPorts clientspecified in the server's sshd_config and reload it" + thenRestart,
		Diagnosis: &tunnel.Diagnosis{
			Evidence: evidence,
			Fixes:    m.link.gatewayPorts(dropbearWith("a")),
		},
	}
}

// gatewayPorts are the ways to have the server bind what it is asked for; Dropbear has that of its own.
func (l *Link) gatewayPorts(dropbear tunnel.Fix) []tunnel.Fix {
	if tunnel.IsDropbear(l.ServerVersion()) {
		return []tunnel.Fix{dropbear, l.advisor().restart()}
	}
	return []tunnel.Fix{l.sshdConfig("GatewayPorts clientspecified"), l.reload(), l.advisor().restart()}
}
