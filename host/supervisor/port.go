package supervisor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// port is the local TCP port of one reach mapping: a listener for each family of loopback, or one for all addresses. It
// takes connections whether or not a link stands.
type port struct {
	ports     *ports
	mapping   tunnel.Mapping // as it was opened for; another target makes no other port
	listeners []*net.TCPListener
	accepting sync.WaitGroup
	held      *holds

	ctx    context.Context // ends with shut; connections through the port end with it
	cancel context.CancelFunc

	mu  sync.Mutex
	own map[netip.AddrPort][]byte // where our own connections come from, and what they bring
}

// openPort opens the listeners of a mapping, all or none.
func openPort(p *ports, m tunnel.Mapping) (*port, error) {
	listeners, err := listenAll(p.ctx, m)
	if err != nil {
		return nil, err
	}
	x := &port{
		ports: p, mapping: m, listeners: listeners, held: &holds{most: heldPerMapping, wider: p.held},
		own: map[netip.AddrPort][]byte{},
	}
	x.ctx, x.cancel = context.WithCancel(p.ctx)
	for _, l := range listeners {
		x.accepting.Go(func() { x.accept(l) })
	}
	return x, nil
}

// serves reports whether the port is the one that m asks for.
func (x *port) serves(m tunnel.Mapping) bool {
	return x.mapping.Name == m.Name && x.mapping.Kind == m.Kind && x.mapping.Local == m.Local
}

// shut closes the port, so that the next one may have it, and ends the connections through it, for none of which it
// waits.
func (x *port) shut() {
	x.cancel()
	for _, l := range x.listeners {
		l.Close()
	}
	x.accepting.Wait()
}

// accept takes connections until the port is shut. It waits out a shortage of descriptors.
func (x *port) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			x.ports.crew.Go(func() { x.receive(conn) })
		case errors.Is(err, net.ErrClosed) || !sleepUntil(x.ctx, time.Now().Add(100*time.Millisecond)):
			return
		}
	}
}

// receive serves one connection: our own is answered before anything is opened, all others get the target or a reset,
// which a client takes for a refusal and not for an empty answer. One that was reset before it was accepted gets nothing:
// it may have been ours, of a proof that was given up.
func (x *port) receive(conn *net.TCPConn) {
	defer conn.Close()
	stop := context.AfterFunc(x.ctx, func() { reset(conn) })
	defer stop()
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if nonce := x.expects(from); nonce != nil {
		answerOwn(conn, nonce)
		return
	}
	if wasReset(conn) {
		return
	}
	far, err := x.reach(conn, from.Addr().Unmap().WithZone("").String())
	if err != nil {
		reset(conn)
		return
	}
	defer far.Close()
	defer context.AfterFunc(x.ctx, func() { far.Close() })()
	x.ports.relay(conn, far)
}

// reach opens the target for a client, at once where that can be decided.
func (x *port) reach(conn *net.TCPConn, caller string) (Conn, error) {
	far, turned, err := x.ports.try(x.ctx, x.mapping.Name, caller)
	if turned == nil {
		return far, err
	}
	return x.hold(conn, caller, turned)
}

// Why a client that waits for the link does so no longer.
var (
	errCrowded = errors.New("too many clients wait for the link")
	errNoLink  = errors.New("there was no link in time")
	errHungUp  = errors.New("the client has hung up")
)

// hold keeps a client waiting until its target can be opened, for a while and as long as it stays. One that stays and gets
// nothing is counted.
func (x *port) hold(conn *net.TCPConn, caller string, turned <-chan struct{}) (Conn, error) {
	m := x.ports.standing.glance(x.mapping.Name).m
	if m == nil {
		return nil, errCrowded
	}
	leave, ok := x.held.enter()
	if !ok {
		x.ports.standing.turnedAway(m.Name)
		return nil, errCrowded
	}
	defer leave()
	x.ports.standing.held(m, 1)
	defer x.ports.standing.held(m, -1)
	ctx, leaves := context.WithCancelCause(x.ctx)
	defer leaves(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, x.ports.hold, errNoLink)
	defer cancel()
	end := watchHangup(conn, hungUp, func() { leaves(errHungUp) })
	defer end()
	far, err := x.await(ctx, caller, turned)
	if err != nil && context.Cause(ctx) != errHungUp {
		x.ports.standing.turnedAway(m.Name)
	}
	return far, err
}

// await opens the target as soon as that can be done or is refused, unless ctx ends before.
func (x *port) await(ctx context.Context, caller string, turned <-chan struct{}) (far Conn, err error) {
	for {
		select {
		case <-turned:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if far, turned, err = x.ports.try(ctx, x.mapping.Name, caller); turned == nil {
			return far, err
		}
	}
}

// reset closes conn so that its client sees a refusal and not an empty answer.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// wasReset reports whether the client of conn is gone already.
func wasReset(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	return raw.Control(func(fd uintptr) { gone = broken(fd) }) != nil || gone
}

// listenAll opens a listener for each address of m's port. On a machine without IPv6 the one family is enough.
func listenAll(ctx context.Context, m tunnel.Mapping) ([]*net.TCPListener, error) {
	var opened []*net.TCPListener
	var held []heldAddress
	for _, host := range hosts(m) {
		c := net.ListenConfig{KeepAlive: -1, Control: keepsAlive}
		l, err := c.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
		switch {
		case err == nil:
			opened = append(opened, l.(*net.TCPListener))
		case !noSuchFamily(err) || len(opened) == 0:
			held = append(held, heldAddress{host, err})
		}
	}
	if len(held) == 0 {
		return opened, nil
	}
	for _, l := range opened {
		l.Close()
	}
	return nil, &heldPort{m, held, len(opened) > 0}
}

// keepsAlive has the kernel ask silent clients, as net does by itself: a listener's options are those of its connections, which
// saves four calls for each.
func keepsAlive(_, _ string, c syscall.RawConn) error {
	var opt error
	err := c.Control(func(fd uintptr) {
		opt = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9),
		)
	})
	return errors.Join(err, opt)
}

// hosts are the addresses a mapping's port is opened on: both families of loopback, or all there are.
func hosts(m tunnel.Mapping) []string {
	if m.Kind.Gateway() {
		return []string{""}
	}
	return []string{"127.0.0.1", "::1"}
}

func noSuchFamily(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}
