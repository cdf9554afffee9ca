package supervisor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// elsewhere is an address of loopback that no program listens on by itself: who answers there listens on all addresses.
var elsewhere = netip.MustParseAddr(tunnel.LoopbackProbe)

// prove connects to each of the port's listeners, as a client of localhost would. The connection is known by its source
// address, which is chosen and noted before it is made, and answered before any channel is opened.
func (x *port) prove(ctx context.Context) error {
	for _, addr := range x.addresses() {
		err := x.meet(ctx, addr)
		if err == nil || addr.Addr().Is6() && x.mapping.Kind.Gateway() && noSuchFamily(err) {
			continue
		}
		return &failed{x.astray(addr, err)}
	}
	return nil
}

// measure finds out who can connect to the port besides the PBX itself.
func (x *port) measure(ctx context.Context) (tunnel.Bound, error) {
	gateway := x.mapping.Kind.Gateway()
	switch err := x.meet(ctx, netip.AddrPortFrom(elsewhere, uint16(x.mapping.Local.Port))); {
	case err == nil && gateway:
		return tunnel.BoundAll, nil
	case err == nil:
		return tunnel.BoundAll, &failed{wider(x.mapping)}
	case errors.Is(err, syscall.ECONNREFUSED) && gateway:
		return tunnel.BoundLoopback, &failed{narrower(x.mapping)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return tunnel.BoundLoopback, nil
	}
	return tunnel.BoundUnknown, nil
}

// addresses are where localhost finds the port.
func (x *port) addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, l := range x.listeners {
		a := l.Addr().(*net.TCPAddr).AddrPort()
		if !a.Addr().IsUnspecified() {
			all = append(all, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
			continue
		}
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()))
		if a.Addr().Is6() {
			all = append(all, netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()))
		}
	}
	return all
}

// forgetAfter is how long the address of a connection that was given up is expected yet: on a busy machine it may be
// accepted before its reset has come.
const forgetAfter = time.Second

// meet makes one connection to addr and exchanges a nonce over it. One that is given up, also while it is made, ends in a
// reset, by which it is known however late it is accepted.
func (x *port) meet(ctx context.Context, addr netip.AddrPort) (err error) {
	nonce := make([]byte, nonceLen)
	_, _ = rand.Read(nonce) // never fails
	var own netip.AddrPort
	defer func() {
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			x.forget(own, nonce)
			return
		}
		time.AfterFunc(forgetAfter, func() { x.forget(own, nonce) })
	}()
	conn, err := dialFrom(addr, func(source netip.AddrPort) {
		own = source
		x.expect(own, nonce)
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if err := exchange(conn, nonce); err != nil {
		return err
	}
	return endOrderly(conn)
}

// dialFrom begins a connection to addr, an address of loopback, that ends in a reset, and tells where it comes from before
// addr can know. Whether it is made shows with what is written first. A net.Dialer would ask the kernel for a dozen things
// more and run goroutines to end a wait that there is not: of all that idle tunnels cost that was a tenth.
func dialFrom(addr netip.AddrPort, tell func(source netip.AddrPort)) (*os.File, error) {
	family, to := socketAddr(addr)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	source, err := bindSource(fd, addr.Addr())
	if err == nil {
		tell(source)
		err = os.NewSyscallError("connect", syscall.Connect(fd, to))
	}
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		_ = syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), addr.String()), nil
}

// socketAddr is addr as system calls want it, with its family.
func socketAddr(addr netip.AddrPort) (family int, to syscall.Sockaddr) {
	if addr.Addr().Is6() {
		return syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
}

// endOrderly has a connection of dialFrom end without a reset.
func endOrderly(conn *os.File) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
	})
	return errors.Join(err, opt)
}

const nonceLen = 16

// errAstray is that a connection was not answered as only we can.
var errAstray = errors.New("something else took the connection, or nothing came back over it")

// exchange sends nonce and fails unless its answer comes back, which nobody else knows.
func exchange(c io.ReadWriter, nonce []byte) error {
	if _, err := c.Write(nonce); err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return os.NewSyscallError("connect", syscall.ECONNREFUSED)
		}
		return errAstray
	}
	got := make([]byte, nonceLen)
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, answerTo(nonce)) {
		return errAstray
	}
	return nil
}

// answerTo is the nonce, turned round: what echoes is not us.
func answerTo(nonce []byte) []byte {
	answer := make([]byte, len(nonce))
	for i, b := range nonce {
		answer[i] = ^b
	}
	return answer
}

// answerOwn answers our own connection, if it brings what it should.
func answerOwn(c *net.TCPConn, nonce []byte) {
	_ = c.SetDeadline(time.Now().Add(patience))
	got := make([]byte, nonceLen)
	if _, err := io.ReadFull(c, got); err == nil && bytes.Equal(got, nonce) {
		_, _ = c.Write(answerTo(nonce))
	}
}

// bindSource gives a socket its source address before it connects, so that it can be noted in time, and has it end in a reset.
func bindSource(fd int, addr netip.Addr) (netip.AddrPort, error) {
	if addr.Is4() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	_, source := socketAddr(netip.AddrPortFrom(addr, 0))
	if err := syscall.Bind(fd, source); err != nil {
		return netip.AddrPort{}, err
	}
	if err := syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}); err != nil {
		return netip.AddrPort{}, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch b := bound.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(b.Addr), uint16(b.Port)), nil
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(b.Addr), uint16(b.Port)), nil
	}
	return netip.AddrPort{}, errors.New("bound to an address of an unknown family")
}

// expect notes that the connection from source is ours and brings nonce.
func (x *port) expect(source netip.AddrPort, nonce []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.own[source] = nonce
}

// forget expects the connection from source no more that brings nonce.
func (x *port) forget(source netip.AddrPort, nonce []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if bytes.Equal(x.own[source], nonce) {
		delete(x.own, source)
	}
}

// expects returns the nonce that the connection from source brings, nil for everybody else's.
func (x *port) expects(source netip.AddrPort) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.own[netip.AddrPortFrom(source.Addr().Unmap(), source.Port())]
}
