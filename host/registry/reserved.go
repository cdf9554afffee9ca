package registry

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// checkReserved keeps mappings off the ports the host itself listens on: they would listen there too, or let others in.
func checkReserved(t tunnel.Tunnel, reserved []tunnel.Endpoint) tunnel.Findings {
	var fs tunnel.Findings
	for _, m := range t.Mappings {
		if !m.Private() && slices.ContainsFunc(reserved, func(own tunnel.Endpoint) bool { return meets(m, own) }) {
			fs = append(fs, tunnel.Finding{
				Code: tunnel.PolicyRefused, Field: "mappings[" + m.Name + "].local.port", Value: strconv.Itoa(m.Local.Port),
				Message: "Culvert itself listens on local port " + strconv.Itoa(m.Local.Port),
				WayOut:  "choose another local port",
			})
		}
	}
	return fs
}

// meets reports whether the local end of m is, or may be, the host's own listener.
func meets(m tunnel.Mapping, own tunnel.Endpoint) bool {
	if m.Local.Port != own.Port {
		return false
	}
	host := strings.ToLower(m.Local.Host)
	a, err := netip.ParseAddr(host)
	here := host == "" || host == "localhost" || err == nil && a.IsLoopback()
	return here || strings.EqualFold(host, own.Host)
}
