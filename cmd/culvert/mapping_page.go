package main

import (
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mappingPage is how m is in every respect: its port, the service behind it, who uses it and how much.
func (a *app) mappingPage(t control.Tunnel, m control.Mapping) {
	a.say("\n%s", clean(m.Name))
	rows := [][]string{
		{"  port", a.statementText(listenerOf(m))},
		{"  open to", openTo(m)},
		{"  service", a.statementText(targetOf(m))},
		{"  traffic", trafficText(m)},
	}
	if m.Lane != tunnel.LaneMain.String() {
		rows = append(rows, []string{"  lane", m.Lane + ": a second link carries it"})
	}
	for i, c := range m.Callers {
		label := ""
		if i == 0 {
			label = "  callers"
		}
		rows = append(rows, []string{label, a.callerText(c)})
	}
	a.table(nil, rows)
	a.mappingProblem(t, m)
}

// openTo says who can connect to the port of m, as it was measured.
func openTo(m control.Mapping) string {
	far := tunnel.Kind(m.Kind).Exposes()
	switch {
	case m.Local == nil && !far:
		return "the module alone (private)"
	case m.Bound == string(tunnel.BoundUnknown) || m.Bound == "":
		return "not measured"
	case m.Bound == string(tunnel.BoundLoopback) && m.Gateway:
		return "narrower than declared: " + itself(far) + " alone (loopback)"
	case m.Bound == string(tunnel.BoundLoopback):
		return itself(far) + " alone (loopback)"
	case m.Gateway:
		return "hosts connected to " + itself(far) + " too (all addresses)"
	case m.AcceptedWider:
		return "WIDER than declared, and accepted: hosts connected to " + itself(far) + " too (all addresses)"
	}
	return "WIDER than declared: hosts connected to " + itself(far) + " too (all addresses)"
}

// itself is the side that listens.
func itself(far bool) string {
	if far {
		return "the SSH server"
	}
	return "this machine"
}

func trafficText(m control.Mapping) string {
	parts := []string{
		bytesText(m.BytesIn) + " from the site, " + bytesText(m.BytesOut) + " to it",
		fmt.Sprintf("%s now, %d in all", count(m.Connections, "connection", "connections"), m.Total),
	}
	if m.Refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused: too many at a time, or waited in vain", m.Refused))
	}
	return strings.Join(parts, "; ")
}

func (a *app) callerText(c control.Caller) string {
	return fmt.Sprintf("%s  %d now, %d in all, last at %s", c.Address, c.Open, c.Total, a.when(c.Last))
}

// bytesText is a number of bytes in the unit that is easiest to read.
func bytesText(n uint64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	f, units := float64(n)/step, []string{"kB", "MB", "GB", "TB"}
	for f >= step && len(units) > 1 {
		f, units = f/step, units[1:]
	}
	return fmt.Sprintf("%.1f %s", f, units[0])
}
