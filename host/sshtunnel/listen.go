package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// listening is the local side of a reach mapping: one listener per address family, two for loopback.
type listening struct {
	mu        sync.Mutex
	listeners []*net.TCPListener
	closed    sync.WaitGroup // the accepting goroutines
	own       map[netip.AddrPort][]byte
}

// listen opens the mapping's listeners, all or none, unless they are open or the mapping is private.
func (m *mapping) listen(ctx context.Context) error {
	if m.Private() {
		return nil
	}
	m.local.mu.Lock()
	defer m.local.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return linkLost(context.Cause(m.ctx))
	case m.local.listeners != nil:
		return nil
	}
	opened, f := m.openAll(ctx)
	if f != nil {
		return f
	}
	m.local.listeners = opened
	for _, l := range opened {
		m.local.closed.Add(1)
		if !m.link.spawn(func() { defer m.local.closed.Done(); m.accept(l) }) {
			m.local.closed.Done()
			_ = l.Close()
		}
	}
	return nil
}

// wait returns when no listener of a mapping that has ended is open any more.
func (l *listening) wait() {
	l.mu.Lock() // whoever is about to open some has done so, or will see the end
	defer l.mu.Unlock()
	l.closed.Wait()
}

// openAll opens a listener per address. On a machine without IPv6 the one family is enough.
func (m *mapping) openAll(ctx context.Context) ([]*net.TCPListener, *Failure) {
	var opened []*net.TCPListener
	for _, host := range m.localHosts() {
		var c net.ListenConfig
		l, err := c.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
		if err == nil {
			opened = append(opened, l.(*net.TCPListener))
			continue
		}
		if len(opened) > 0 && noSuchFamily(err) {
			continue
		}
		for _, l := range opened {
			_ = l.Close()
		}
		return nil, cannotListen(err, host, m.Local.Port)
	}
	return opened, nil
}

// localHosts are the addresses to listen on: both families of loopback, or all there are.
func (m *mapping) localHosts() []string {
	if m.Kind.Gateway() {
		return []string{""}
	}
	return []string{"127.0.0.1", "::1"}
}

func noSuchFamily(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func cannotListen(err error, host string, port int) *Failure {
	where := fmt.Sprintf("port %d on %s", port, host)
	if host == "" {
		where = fmt.Sprintf("port %d on all addresses", port)
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		return &Failure{
			Reason:  tunnel.LocalPortPrivileged,
			Message: "the PBX does not let this program listen on " + where,
			Remedy:  "choose a local port of 1024 or higher, or give the service CAP_NET_BIND_SERVICE",
			Err:     err,
		}
	}
	return &Failure{
		Reason:  tunnel.LocalPortInUse,
		Message: "something else on the PBX holds " + where,
		Remedy:  fmt.Sprintf("see which: ss -ltnp 'sport = :%d'; stop it or choose another local port", port),
		Err:     err,
	}
}

// accept takes connections until the mapping ends. It waits out a shortage of descriptors.
func (m *mapping) accept(l *net.TCPListener) {
	stop := context.AfterFunc(m.ctx, func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	for m.ctx.Err() == nil {
		c, err := l.AcceptTCP()
		if err != nil {
			select {
			case <-m.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if !m.link.spawn(func() { m.connected(c) }) {
			reset(c)
		}
	}
}

// connected serves one client of a reach mapping: ours is answered, all others get a channel to the target or a reset.
// One that was reset before it was accepted gets nothing: it may have been ours, of a proof that was given up.
func (m *mapping) connected(c *net.TCPConn) {
	if nonce := m.local.expects(c.RemoteAddr()); nonce != nil {
		m.answerOwn(c, nonce)
		return
	}
	if _, broken := peek(c); broken {
		_ = c.Close()
		return
	}
	release, full := m.admit(0)
	if full != nil {
		reset(c)
		return
	}
	stop := context.AfterFunc(m.ctx, func() { _ = c.Close() })
	defer stop()
	ctx, cancel := context.WithTimeout(m.ctx, m.link.config.waits.open)
	defer cancel()
	ch, err := m.openForClient(ctx, release)
	if err != nil {
		reset(c)
		m.missed(m.link.refusedTarget(err, m.targetHost(), m.Remote.Port))
		return
	}
	v := m.traffic.visit(c.RemoteAddr().(*net.TCPAddr).IP.String())
	v.begin()
	m.relay(c, ch, v)
}

// targetHost is where the SSH server connects to for a reach mapping; its own machine is asked for as localhost, which
// is what rules at the server compare with.
func (m *mapping) targetHost() string {
	if m.Remote.Host == "" {
		return "localhost"
	}
	return m.Remote.Host
}
