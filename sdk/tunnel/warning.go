package tunnel

import (
	"fmt"
	"net/netip"
	"strings"
)

const privileged = 1024 // ports below need raised rights (R42)

// Warnings says what a valid tunnel allows that its operator should know: login as root (R13), third parties that get
// access (R35), ports that need raised rights (R42), targets given by name, and once that a remote port can only be
// tried (R47). They refuse nothing.
func Warnings(t Tunnel) []string {
	ws := t.Server.Warnings()
	exposes := false
	for _, m := range t.Mappings {
		ws = append(ws, m.warnings()...)
		exposes = exposes || m.Kind.Exposes()
	}
	if exposes {
		ws = append(ws, "whether the SSH server can open the remote ports shows only once the tunnel is up: "+
			"that depends on its system, the rights of its service and what else runs there")
	}
	return ws
}

func (m Mapping) warnings() []string {
	var ws []string
	add := func(format string, args ...any) {
		ws = append(ws, fmt.Sprintf("mapping %s: ", Clean(m.Name, MaxName))+fmt.Sprintf(format, args...))
	}
	switch m.Kind {
	case ReachGateway:
		add("third parties get access: every host that can connect to the PBX can use its port %d", m.Local.Port)
	case ExposeGateway:
		add("third parties get access: every host that can connect to the SSH server can use its port %d",
			m.Remote.Port)
	}
	if m.Kind.Reaches() && 0 < m.Local.Port && m.Local.Port < privileged {
		add("local port %d is below %d: the PBX opens it only with raised rights (root on Linux)", m.Local.Port,
			privileged)
	}
	if m.Kind.Exposes() && m.Remote.Port < privileged {
		add("remote port %d is below %d: the SSH server opens it only with raised rights "+
			"(root on Linux, Administrator or System on Windows)", m.Remote.Port, privileged)
	}
	if m.Kind.Reaches() && resolved(m.Remote.Host) {
		add("the target %s is a name: each connection to it waits for the site's resolver; better give its address",
			m.Remote.Host)
	}
	return ws
}

// resolved reports whether a target has to be asked of a resolver.
func resolved(host string) bool {
	_, err := netip.ParseAddr(host)
	return host != "" && err != nil && !strings.EqualFold(host, "localhost")
}
