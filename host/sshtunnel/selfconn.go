package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// proveLocal connects to each of the mapping's listeners. The connection is known by its source address, which is
// chosen and noted before it is made, and answered before any channel is opened.
func (m *mapping) proveLocal(ctx context.Context) *Failure {
	for _, addr := range m.local.addresses() {
		if err := m.meetSelf(ctx, addr); err != nil {
			if m.link.ctx.Err() != nil {
				return m.link.gone()
			}
			return &Failure{
				Reason:  tunnel.LocalPortInUse,
				Message: fmt.Sprintf("a connection to the PBX's own port %s does not arrive at this tunnel", addr),
				Remedy:  fmt.Sprintf("see who listens, and which firewall rules redirect it: ss -ltnp 'sport = :%d'; nft list ruleset", addr.Port()),
				Err:     err,
			}
		}
	}
	return nil
}

// addresses are where the mapping's listeners are reached from the PBX itself.
func (l *listening) addresses() []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []netip.AddrPort
	for _, x := range l.listeners {
		a := x.Addr().(*net.TCPAddr).AddrPort()
		if a.Addr().IsUnspecified() {
			a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
		}
		all = append(all, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return all
}

// meetSelf makes one connection to addr and exchanges a nonce over it.
func (m *mapping) meetSelf(ctx context.Context, addr netip.AddrPort) error {
	nonce := newNonce()
	var own netip.AddrPort
	defer func() { m.local.forget(own) }()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		ctl := c.Control(func(fd uintptr) { own, err = bindSource(int(fd), addr.Addr()) })
		if err == nil {
			err = ctl
		}
		if err == nil {
			m.local.expect(own, nonce)
		}
		return err
	}}
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	if !exchange(c, nonce).whole {
		_ = c.(*net.TCPConn).SetLinger(0) // a reset, before its address is forgotten: it may be accepted yet
		return errors.New("the answer did not come back")
	}
	return nil
}

// bindSource gives a socket its source address before it connects, so that it can be noted in time.
func bindSource(fd int, addr netip.Addr) (netip.AddrPort, error) {
	var source unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if addr.Is6() {
		source = &unix.SockaddrInet6{Addr: addr.As16()}
	}
	if err := unix.Bind(fd, source); err != nil {
		return netip.AddrPort{}, err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(b.Addr), uint16(b.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(b.Addr), uint16(b.Port)), nil
	}
	return netip.AddrPort{}, errors.New("bound to an address of an unknown family")
}

// expect notes that the connection from source is ours and brings nonce.
func (l *listening) expect(source netip.AddrPort, nonce []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		l.own = map[netip.AddrPort][]byte{}
	}
	l.own[source] = nonce
}

func (l *listening) forget(source netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, source)
}

// expects returns the nonce that the connection from source brings, nil for everybody else's.
func (l *listening) expects(source net.Addr) []byte {
	a := source.(*net.TCPAddr).AddrPort()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.own[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())]
}

// answerOwn answers our own connection, if it brings what it should.
func (m *mapping) answerOwn(c *net.TCPConn, nonce []byte) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(proofTimeout))
	got := make([]byte, nonceLen)
	if _, err := io.ReadFull(c, got); err == nil && bytes.Equal(got, nonce) {
		_, _ = c.Write(answerTo(nonce))
	}
}
