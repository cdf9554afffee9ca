package supervisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tally is what a mapping has carried: on its present link, and on those before.
type tally struct {
	now, past  Traffic
	turnedAway uint64 // clients of its port that were refused because too many waited, or because they waited in vain
}

// sum is both together.
func (t *tally) sum() Traffic {
	all := added(t.past, t.now)
	all.Refused += t.turnedAway
	return all
}

// added is what was carried before and what is carried now, on another link.
func added(past, now Traffic) Traffic {
	return Traffic{
		Open: now.Open, Total: past.Total + now.Total, Refused: past.Refused + now.Refused,
		In: past.In + now.In, Out: past.Out + now.Out, Callers: merged(past.Callers, now.Callers), Target: now.Target,
	}
}

// merged are the callers of links that are gone and of the present one, by address, the latest first, no more than are
// remembered.
func merged(past, now []tunnel.Caller) []tunnel.Caller {
	var all []tunnel.Caller
	for _, c := range now {
		c.Address = tunnel.Clean(c.Address, tunnel.MaxName)
		all = append(all, c)
	}
	for _, c := range past {
		i := slices.IndexFunc(all, func(a tunnel.Caller) bool { return a.Address == c.Address })
		if i < 0 {
			c.Open = 0
			all = append(all, c)
			continue
		}
		all[i].Total += c.Total
		if c.Last.After(all[i].Last) {
			all[i].Last = c.Last
		}
	}
	slices.SortStableFunc(all, func(a, b tunnel.Caller) int {
		return cmp.Or(b.Last.Compare(a.Last), strings.Compare(a.Address, b.Address))
	})
	return all[:min(len(all), tunnel.MaxCallers)]
}

// count takes the link's counters. Connections of others that reached the service behind are proof of it.
func (m *mapping) count(l Link) {
	if l == nil || !m.applied {
		return
	}
	m.now = l.Traffic(m.Name)
	if m.now.Target.After(m.targetProvedAt) {
		m.targetProvedAt = m.now.Target
		m.target = verdict{given: true}
	}
}

// withdrawn notes that the link carries the mapping no more; what it carried stays counted.
func (m *mapping) withdrawn(l Link) {
	m.count(l)
	m.past, m.now = added(m.past, m.now), Traffic{}
	m.applied = false
	if m.Kind.Exposes() && m.forgone == (Failure{}) {
		m.measured = tunnel.BoundUnknown
	}
}

// boundUnknown is said of exposed ports of which nobody knows who can connect to them.
func boundUnknown(names []string) string {
	return fmt.Sprintf("at which addresses the server really offers the ports of %s could not be measured: "+
		"'ss -ltn' on the server shows it; it is measured where the login may connect to %s there "+
		`(permitopen="%[2]s:PORT"), or to the server's own address in its network (--server-lan ADDRESS)`,
		strings.Join(names, ", "), tunnel.LoopbackProbe)
}
