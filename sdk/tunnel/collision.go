package tunnel

import (
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ScopeLocal is where the PBX's own listening ports are reserved.
const ScopeLocal = "local"

// ScopeTargets is where it is noted which of the PBX's own loopback ports are exposed to a site. A port may be there many
// times, for several mappings may lead to one service (R45).
const ScopeTargets = "local-targets"

// ScopeRemote is where the listening ports of one SSH server are reserved: its host, whatever the case, and SSH port,
// whatever the user.
func ScopeRemote(s Server) string {
	return "remote/" + net.JoinHostPort(hostKey(s.Host), strconv.Itoa(s.Port))
}

// Beside are the scopes in which something may overlap with a reservation of that scope.
func Beside(scope string) []string {
	switch scope {
	case ScopeLocal:
		return []string{ScopeLocal, ScopeTargets}
	case ScopeTargets:
		return []string{ScopeLocal}
	}
	return []string{scope}
}

// Reservation is one port that a mapping claims for as long as its record exists, whatever its state: a listening port,
// which nobody else can have, or a loopback port that it exposes, at which no other owner may listen. Other targets claim
// none: several mappings may lead to one (R45, R46).
type Reservation struct {
	Scope   string // ScopeLocal, ScopeTargets, or what ScopeRemote gives
	Port    int
	Ref     Ref
	Mapping string
	Target  string // where the port leads, for the reader of a finding; may be left out of those held
}

// Reservations are the listening ports of t, local ones of its reach kinds and the SSH server's of its expose kinds, and
// the loopback ports that these expose.
func Reservations(t Tunnel) []Reservation {
	var rs []Reservation
	for _, m := range t.Mappings {
		switch {
		case m.Kind.Reaches() && !m.Private():
			rs = append(rs, Reservation{ScopeLocal, m.Local.Port, t.Ref, m.Name, target(m.Remote)})
		case m.Kind.Exposes():
			rs = append(rs, Reservation{ScopeRemote(t.Server), m.Remote.Port, t.Ref, m.Name, target(m.Local)})
			if port, ok := m.Publishes(); ok {
				rs = append(rs, Reservation{ScopeTargets, port, t.Ref, m.Name, target(m.Local)})
			}
		}
	}
	return rs
}

// Publishes reports whether m leads from its site to what listens at a port of the PBX's loopback, as far as the text
// of its local end tells, and to which.
func (m Mapping) Publishes() (port int, ok bool) {
	return m.Local.Port, m.Kind.Exposes() && !m.Private() && Loops(m.Local.Host)
}

// Loops reports whether a connection to that host stays on the machine that makes it, as far as its text tells. One to no particular
// address of a machine does.
func Loops(host string) bool {
	if host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.Unmap().IsLoopback() || a.Unmap().IsUnspecified())
}

func target(e Endpoint) string {
	if e.Host == "" {
		return strconv.Itoa(e.Port)
	}
	return hostText(e.Host) + ":" + strconv.Itoa(e.Port)
}

// place is what only one mapping can have: a port of a scope. The kind does not matter: a gateway kind listens on all
// addresses of its side, IPv4 and IPv6, and the loopback addresses of the others are among them.
type place struct {
	scope string
	port  int
}

func (r Reservation) place() place { return place{r.Scope, r.Port} }

// Overlap reports whether a and b cannot both be had: one listening port twice (R43), or a port at which one owner listens
// for a site and which another exposes to a site, for that would join the two.
func Overlap(a, b Reservation) bool {
	return a.place() == b.place() && a.Scope != ScopeTargets || bridges(a, b) || bridges(b, a)
}

// bridges reports whether what exposes exposes listener, of another owner.
func bridges(exposes, listener Reservation) bool {
	return exposes.Scope == ScopeTargets && listener.Scope == ScopeLocal && exposes.Port == listener.Port && exposes.Ref.Owner != listener.Ref.Owner
}

// Conflicts says which of one tunnel's reservations overlap with each other (R43, R44) or with those held by other
// tunnels; what held says of the tunnel itself is its former self and does not count.
func Conflicts(own, held []Reservation) Findings {
	taken := make(map[place]Reservation, len(held))
	exposed := map[int][]Reservation{} // by port
	mine := make(map[Ref]bool, 1)
	for _, r := range own {
		mine[r.Ref] = true
	}
	for _, r := range held {
		switch {
		case mine[r.Ref]:
		case r.Scope == ScopeTargets:
			exposed[r.Port] = append(exposed[r.Port], r)
		default:
			taken[r.place()] = r
		}
	}
	var fs Findings
	for _, r := range own {
		if r.Scope == ScopeTargets {
			if listener, ok := taken[place{ScopeLocal, r.Port}]; ok && bridges(r, listener) {
				fs = append(fs, r.bridge(listener))
			}
			continue
		}
		if other, ok := taken[r.place()]; ok {
			fs = append(fs, r.conflict(other))
			continue
		}
		taken[r.place()] = r
		for _, other := range exposed[r.Port] {
			if bridges(other, r) {
				fs = append(fs, r.bridge(other))
				break
			}
		}
	}
	return fs
}

// Collisions are R43-R46: the listening ports that t takes twice, or that one of others, whatever its owner and state,
// has already. An entry of others with t's own Ref is skipped.
func Collisions(t Tunnel, others iter.Seq[Tunnel]) Findings {
	var held []Reservation
	for o := range others {
		held = append(held, Reservations(o)...)
	}
	return Conflicts(Reservations(t), held)
}

// bridge says that r and other would join two sites.
func (r Reservation) bridge(other Reservation) Finding {
	field, port := "mappings["+Clean(r.Mapping, MaxName)+"].local.port", strconv.Itoa(r.Port)
	holder := fmt.Sprintf("mapping %s of %s", Clean(other.Mapping, MaxName), Clean(other.Ref.String(), shown))
	if r.Scope == ScopeTargets {
		return find(PortCollision, field, port, fmt.Sprintf("local port %s leads to another site: %s listens there", port, holder),
			"expose a service of the telephone system itself")
	}
	return find(PortCollision, field, port, fmt.Sprintf("local port %s is exposed to another site by %s", port, holder), "choose another local port")
}

func (r Reservation) conflict(other Reservation) Finding {
	field := "mappings[" + Clean(r.Mapping, MaxName) + "]."
	port := strconv.Itoa(r.Port)
	holder := fmt.Sprintf("mapping %s of %s", Clean(other.Mapping, MaxName), Clean(other.Ref.String(), shown))
	if r.Scope != ScopeLocal {
		return find(PortCollision, field+"remote.port", port,
			fmt.Sprintf("port %s of that SSH server is taken by %s", port, holder), "choose another remote port")
	}
	f := find(PortCollision, field+"local.port", port,
		fmt.Sprintf("local port %s is taken by %s", port, holder), "choose another local port")
	if other.Ref == r.Ref && other.Target != r.Target {
		f.Message = fmt.Sprintf("local port %s cannot lead to several remote ports: to %s here and to %s in %s",
			port, r.Target, other.Target, holder)
	}
	return f
}
