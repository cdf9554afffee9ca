package netbed

import (
	"strconv"
	"strings"
)

// rule is one of iptables, as it is appended: table, chain and the rest.
type rule struct{ table, chain, spec string }

func (b *Bed) insert(r rule) error { return b.iptables(r, "-I") }
func (b *Bed) remove(r rule) error { return b.iptables(r, "-D") }

func (b *Bed) iptables(r rule, how string) error {
	_, err := b.Wan.Run("iptables", append([]string{"-w", "-t", r.table, how, r.chain}, strings.Fields(r.spec)...)...)
	return err
}

// fault puts a rule of one flow into the router, until Heal.
func (b *Bed) fault(port int, r rule) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.insert(r); err != nil {
		return err
	}
	b.rules[port] = append(b.rules[port], r)
	return nil
}

func forward(spec string) rule { return rule{"filter", "FORWARD", spec} }

// flow matches both directions of the connections to a port, or those of all ports for 0.
func flow(port int) string {
	if port == 0 {
		return "-p tcp"
	}
	return "-p tcp -m multiport --ports " + strconv.Itoa(port)
}

// CutSilent drops whatever goes to and comes from a port of the site, until Heal: nobody is told. Port 0 is every port.
// The cut is complete when it returns.
func (b *Bed) CutSilent(port int) error { return b.fault(port, forward(flow(port)+" -j DROP")) }

// Direction is one of the two of a flow.
type Direction string

// The directions, named by the port that holds the server's number.
const (
	ToServer   Direction = "dport"
	FromServer Direction = "sport"
)

// CutOneWay is CutSilent for one direction.
func (b *Bed) CutOneWay(port int, d Direction) error {
	return b.fault(port, forward("-p tcp --"+string(d)+" "+strconv.Itoa(port)+" -j DROP"))
}

// CutRST has the router answer both ends of the flow with a reset, as a firewall does that has changed its mind.
func (b *Bed) CutRST(port int) error {
	return b.fault(port, forward(flow(port)+" -j REJECT --reject-with tcp-reset"))
}

// Refuse has the router say, to whoever connects to the port, that there is no way to the host.
func (b *Bed) Refuse(port int) error {
	return b.fault(port, forward("-p tcp --dport "+strconv.Itoa(port)+" -j REJECT --reject-with icmp-host-unreachable"))
}

// MTUHole drops packets of the flow that are longer than so many bytes, and sends nobody the message that would tell him.
func (b *Bed) MTUHole(port, longest int) error {
	for _, n := range []struct {
		in  *Namespace
		dev string
	}{{b.PBX, "e0"}, {b.Srv, "e0"}, {b.Wan, "w1"}, {b.Wan, "w2"}} { // what is measured are packets, not bundles of them
		if _, err := n.in.Run("ip", "link", "set", "dev", n.dev, "gso_max_segs", "1"); err != nil {
			return err
		}
	}
	return b.fault(port, forward(flow(port)+" -m length --length "+strconv.Itoa(longest+1)+":65535 -j DROP"))
}

// MITMOn leads connections to a port of the site to the same port of evil, until Heal. Those that stand go on.
func (b *Bed) MITMOn(port int) error {
	p := strconv.Itoa(port)
	return b.fault(port, rule{"nat", "PREROUTING", "-i w1 -p tcp -d " + SrvAddr + " --dport " + p + " -j DNAT --to " + EvilAddr + ":" + p})
}

// Ban drops every attempt at a new connection to the port, as a server does to an address that it penalises; those that
// stand go on.
func (b *Bed) Ban(port int) error {
	return b.fault(port, forward("-p tcp --syn --dport "+strconv.Itoa(port)+" -j DROP"))
}

// Heal takes back every fault of the port. The path is whole when it returns.
func (b *Bed) Heal(port int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.rules[port]) > 0 {
		if err := b.remove(b.rules[port][0]); err != nil {
			return err
		}
		b.rules[port] = b.rules[port][1:]
	}
	delete(b.rules, port)
	return nil
}

// ResetSessions closes the connections of a port of the site in the kernel of the site, which resets both ends, and
// reports how many there were.
func (b *Bed) ResetSessions(port int) (int, error) {
	out, err := b.Srv.Run("ss", "-HKtn", "state", "established", "sport", "=", ":"+strconv.Itoa(port))
	return strings.Count(out, "\n"), err
}
