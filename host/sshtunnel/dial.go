package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	maxAddresses = 8                      // of one name; more are not tried
	stagger      = 300 * time.Millisecond // before the next address is tried beside the one before
)

// lookup returns the server's addresses, asked for anew each time.
func lookup(ctx context.Context, r *net.Resolver, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	asked, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := r.LookupNetIP(asked, "ip", host)
	if err == nil && len(addrs) > 0 {
		return addrs[:min(len(addrs), maxAddresses)], nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var dns *net.DNSError
	if err == nil || errors.As(err, &dns) && dns.IsNotFound {
		return nil, &Failure{
			Reason:  tunnel.UnknownHost,
			Message: fmt.Sprintf("no address is known for the name %s", tunnel.Clean(host, 253)),
			Remedy:  "check the spelling of the server's name, or give its address",
			Diagnosis: diagnosis("", []string{"the name servers say that there is no such name"},
				tunnel.Fix{Where: onPBX, Line: "getent ahosts " + tunnel.Clean(host, 253)}),
			Err: err,
		}
	}
	return nil, &Failure{
		Reason:  tunnel.NameLookupFailed,
		Message: fmt.Sprintf("the name servers gave no answer about %s", tunnel.Clean(host, 253)),
		Remedy:  "check name resolution on this machine (/etc/resolv.conf), or give the server's address",
		Diagnosis: diagnosis("", []string{lookupWords(err)},
			tunnel.Fix{Where: onPBX, Line: "getent ahosts " + tunnel.Clean(host, 253)}, tunnel.Fix{Where: onPBX, Line: "cat /etc/resolv.conf"}),
		Err: err,
	}
}

// lookupWords says how a lookup failed.
func lookupWords(err error) string {
	if isTimeout(err) {
		return fmt.Sprintf("no name server answered within %s", lookupTimeout)
	}
	return err.Error()
}

// dialed is the outcome of one address.
type dialed struct {
	addr netip.Addr
	conn *net.TCPConn
	err  error
}

// dial connects to the first of addrs that answers, and returns it with those that had failed by then; without a
// connection, all have. They are tried side by side, each a little after the one before or as soon as that failed, so
// that one silent address does not use up the time of the others.
func dial(ctx context.Context, addrs []netip.Addr, port int) (first dialed, failures []dialed) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the attempts that are still under way
	outcomes := make(chan dialed, len(addrs))
	next, waiting := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for len(failures) < len(addrs) {
		select {
		case <-timer.C:
			if next < len(addrs) {
				go dialOne(ctx, addrs[next], port, outcomes)
				next, waiting = next+1, waiting+1
				timer.Reset(stagger)
			}
		case d := <-outcomes:
			waiting--
			if d.err == nil {
				go closeOthers(outcomes, waiting)
				return d, failures
			}
			failures = append(failures, d)
			timer.Reset(0)
		}
	}
	return dialed{}, failures
}

func dialOne(ctx context.Context, addr netip.Addr, port int, outcomes chan<- dialed) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(port)).String())
	if err != nil {
		outcomes <- dialed{addr: addr, err: err}
		return
	}
	outcomes <- dialed{addr: addr, conn: c.(*net.TCPConn)}
}

// closeOthers closes what connected after the first.
func closeOthers(outcomes <-chan dialed, waiting int) {
	for range waiting {
		if d := <-outcomes; d.err == nil {
			_ = d.conn.Close()
		}
	}
}

// unreachable says what each address answered.
func (c *Config) unreachable(failures []error) *Failure {
	said := make([]string, len(failures))
	for i, err := range failures {
		said[i] = dialWords(err)
	}
	return &Failure{
		Reason:  tunnel.Unreachable,
		Message: fmt.Sprintf("no SSH server could be reached at %s: %s", hostPort(c.Server), strings.Join(said, "; ")),
		Remedy: fmt.Sprintf("check the port (--server), that the server runs and that port %d is open to this machine in every firewall between",
			c.Server.Port),
		Diagnosis: c.unmet(failures),
		Err:       errors.Join(failures...),
	}
}

// dialWords says in plain words how connecting to one address failed.
func dialWords(err error) string {
	addr := "the address"
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		addr = op.Addr.String()
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return addr + " refused the connection"
	case errors.Is(err, syscall.ECONNRESET):
		return addr + " reset the connection"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return addr + " did not answer"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return addr + " is not reached: a firewall or router on the way refuses it, or the machine is switched off"
	case errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to " + addr
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return addr + " is of a family this machine does not speak"
	}
	return tunnel.Clean(err.Error(), 200)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// hostPort is the server's address as it is shown and as handshakes are counted by.
func hostPort(s tunnel.Server) string {
	return net.JoinHostPort(strings.ToLower(s.Host), strconv.Itoa(s.Port))
}
