package netbed

import (
	"fmt"
	"strings"
)

// The addresses behind the site's server: a network that only Srv has a way to.
const (
	LANGateway = "10.99.4.254" // Srv's
	LANAddr    = "10.99.4.1"
	LANAddr2   = "10.99.4.2"
)

// LAN is the network behind Srv, as a machine with two addresses. Nothing is forwarded: who is not Srv reaches it by a
// tunnel to Srv alone.
func (b *Bed) LAN() (*Namespace, error) {
	lan, err := newNamespace("lan")
	if err != nil {
		return nil, err
	}
	b.onClose(lan.close)
	for _, step := range []struct {
		in   *Namespace
		args string
	}{
		{b.Srv, fmt.Sprintf("link add lan type veth peer name e0 netns %d", lan.tid)},
		{b.Srv, "addr add " + LANGateway + "/24 dev lan"},
		{b.Srv, "link set lan up"},
		{lan, "addr add " + LANAddr + "/24 dev e0"},
		{lan, "addr add " + LANAddr2 + "/24 dev e0"},
		{lan, "link set e0 up"},
	} {
		if _, err := step.in.Run("ip", strings.Fields(step.args)...); err != nil {
			return nil, err
		}
	}
	return lan, nil
}
