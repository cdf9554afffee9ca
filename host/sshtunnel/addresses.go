package sshtunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// minShare is what each of several addresses has at least, once one of them has taken a connection: the first for its key
// exchange, each other for connect and key exchange together. So the host key is known, or the attempt over, within
// handshakeTimeout, or minShare per address where that is more; at the very most within the sum of both, when all were
// slow to take the first connection.
const minShare = 3 * time.Second

// addresses are those of one server, or of the proxy before it, within one attempt: which are left to try, and how the
// others failed.
type addresses struct {
	config   *Config // with the proxy whose addresses they are, where it has one
	several  bool
	deadline time.Time    // for connect and key exchange of all, if that leaves each its minShare
	left     []netip.Addr // not failed yet
	failed   []*Failure   // of those that took the connection, in their order
	unmet    []error      // of those that did not
}

func newAddresses(c *Config, all []netip.Addr) *addresses {
	return &addresses{
		config:   c,
		several:  len(all) > 1,
		deadline: time.Now().Add(c.waits.handshake),
		left:     slices.Clone(all),
	}
}

// share returns by when the next address must be done, that the others get their part: an equal one, and minShare at
// least. An only address has all the time.
func (s *addresses) share() time.Time {
	if !s.several {
		return s.deadline
	}
	now := time.Now()
	return now.Add(max(minShare, s.deadline.Sub(now)/time.Duration(len(s.left))))
}

// dial connects to the first of the addresses left that answers by then.
func (s *addresses) dial(ctx context.Context, by time.Time) (dialed, error) {
	bounded, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	d, failures := dial(bounded, s.left, s.port())
	for _, f := range failures {
		s.drop(f.addr)
		s.unmet = append(s.unmet, f.err)
	}
	switch {
	case d.conn != nil:
		return d, nil
	case ctx.Err() != nil:
		return d, ctx.Err()
	}
	return d, s.failure()
}

// port is the one to connect to.
func (s *addresses) port() int {
	if s.proxied() {
		return s.config.Via.Port
	}
	return s.config.Server.Port
}

func (s *addresses) proxied() bool { return s.config.Via != tunnel.Via{} }

// only gives up all addresses but addr.
func (s *addresses) only(addr netip.Addr) { s.left = []netip.Addr{addr} }

// fail notes why there was no key exchange with addr, or no way through it.
func (s *addresses) fail(addr netip.Addr, f *Failure) {
	s.drop(addr)
	s.failed = append(s.failed, f)
}

func (s *addresses) drop(addr netip.Addr) {
	s.left = slices.DeleteFunc(s.left, func(a netip.Addr) bool { return a == addr })
}

// failure is why none of the addresses was good: the failure that tells most, which also says how the others failed.
func (s *addresses) failure() *Failure {
	switch {
	case len(s.failed) == 0 && s.proxied():
		return viaUnmet(s.config.Via, s.unmet)
	case len(s.failed) == 0:
		return s.config.unreachable(s.unmet)
	}
	most := slices.MaxFunc(s.failed, func(a, b *Failure) int { return telling(a) - telling(b) })
	said, causes := []string{most.Message}, []error{most.Err}
	for _, f := range s.failed {
		if f != most {
			said, causes = append(said, tunnel.Clean(f.Message, 200)), append(causes, f.Err)
		}
	}
	for _, err := range s.unmet {
		said, causes = append(said, dialWords(err)), append(causes, err)
	}
	f := *most
	f.Message, f.Err = strings.Join(said, "; "), errors.Join(causes...)
	return &f
}

// telling ranks what was learned of a server that did not exchange keys: what it is tells more than that it hung up,
// and that more than silence. So it is with proxies that opened no way.
func telling(f *Failure) int {
	return slices.Index([]tunnel.Reason{
		tunnel.ProxyUnreachable, tunnel.ProxyRefused,
		tunnel.HandshakeTimeout, tunnel.HandshakeClosed, tunnel.AlgorithmRefused,
	}, f.Reason)
}

// at is how the server at the other end of c is shown: by its name where it has no other address, and with the proxy
// through which it was reached.
func (s *addresses) at(c net.Conn) string {
	switch {
	case s.proxied():
		return hostPort(s.config.Server) + " (through the proxy " + c.RemoteAddr().String() + ")"
	case s.several:
		return c.RemoteAddr().String()
	}
	return hostPort(s.config.Server)
}
