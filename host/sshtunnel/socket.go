package sshtunnel

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probes keeps the kernel asking a silent peer without ever giving up by itself: who is silent is decided above, and a
// socket the kernel has killed can no longer tell the server that we are gone.
var probes = net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 3 * time.Second, Count: 127}

const userTimeout = 2 * time.Hour

// socket is the connection beneath SSH.
type socket struct {
	*net.TCPConn
	raw syscall.RawConn

	last atomic.Int64 // when something came from the peer, by monotonic

	mu       sync.Mutex
	greeting []byte // the first bytes the peer sent, as evidence of what it is
}

// maxGreeting is how much of the peer's first bytes is kept: the longest version line.
const maxGreeting = 255

func newSocket(c *net.TCPConn) (*socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := c.SetKeepAliveConfig(probes); err != nil {
		return nil, err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	if err == nil {
		err = opt
	}
	return &socket{TCPConn: c, raw: raw}, err
}

// Read sets TCP_QUICKACK again each time, because the kernel forgets it. Without it every small exchange waits for the
// peer's Nagle and our delayed acknowledgement: 40 ms for each new connection through a remote port.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.TCPConn.Read(p)
	_ = s.raw.Control(quickAck) // fails only on a closed socket
	if n > 0 {
		s.last.Store(monotonic(time.Now()))
	}
	if n > 0 && len(s.greeting) < maxGreeting {
		s.mu.Lock()
		s.greeting = append(s.greeting, p[:min(n, maxGreeting-len(s.greeting))]...)
		s.mu.Unlock()
	}
	return n, err
}

func quickAck(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}

// heard returns the first bytes the peer sent.
func (s *socket) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.greeting)
}

// heardSince reports whether something came from the peer's program after t; its kernel alone does not count.
func (s *socket) heardSince(t time.Time) bool { return s.last.Load() > monotonic(t) }

// minRTT is the shortest round trip the kernel has seen lately: nothing we ask can come back sooner.
func (s *socket) minRTT() time.Duration {
	var info *unix.TCPInfo
	_ = s.raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	const none = ^uint32(0) // no sample yet
	if info == nil || info.Min_rtt == none {
		return 0
	}
	return time.Duration(info.Min_rtt) * time.Microsecond
}
