package sshtunnel

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// unmet tells apart why none of the server's addresses took a connection: what one of them answered tells more than that
// another was silent.
func (c *Config) unmet(failures []error) *tunnel.Diagnosis {
	var said []string
	var cause tunnel.Cause
	var at string
	for _, err := range failures {
		said = append(said, dialWords(err))
		if c := unmetCause(err); cause == "" || tellingCause(c) > tellingCause(cause) {
			cause, at = c, addressOf(err)
		}
	}
	a, server := c.advisor(""), c.Server
	var fixes []tunnel.Fix
	switch cause {
	case tunnel.NothingListens:
		fixes = a.nothingListens()
	case tunnel.Reset:
		fixes = a.unban()
	case tunnel.Filtered:
		fixes = a.firewall(server.Port)
	case tunnel.HostUnreachable:
		at = cmp.Or(at, tunnel.Clean(server.Host, 253))
		look := tunnel.Fix{Where: onPBX, Line: fmt.Sprintf("ip neigh show %s; traceroute -n -T -p %d %s", at, server.Port, at)}
		fixes = append([]tunnel.Fix{look}, a.firewall(server.Port)...)
	case tunnel.NoRoute:
		fixes = []tunnel.Fix{{Where: onPBX, Line: "ip route get " + tunnel.Clean(server.Host, 253)}}
	}
	return diagnosis(cause, said, fixes...)
}

func unmetCause(err error) tunnel.Cause {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return tunnel.NothingListens
	case errors.Is(err, syscall.EHOSTUNREACH):
		return tunnel.HostUnreachable
	case errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return tunnel.NoRoute
	case errors.Is(err, syscall.ECONNRESET):
		return tunnel.Reset
	}
	return tunnel.Filtered
}

// tellingCause ranks what is told of an address.
func tellingCause(c tunnel.Cause) int {
	return slices.Index([]tunnel.Cause{tunnel.NoRoute, tunnel.HostUnreachable, tunnel.Filtered, tunnel.Reset, tunnel.NothingListens}, c)
}

// addressOf is the address that err, of a dial, is about, "" where that is not known.
func addressOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		host, _, _ := net.SplitHostPort(op.Addr.String())
		return host
	}
	return ""
}
