package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// probes keeps the kernel asking a silent peer without ever giving up by itself: who is silent is decided above, and a
// socket the kernel has killed can no longer tell the server that we are gone.
var probes = net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 3 * time.Second, Count: 127}

// The socket's other options.
const (
	userTimeout = 2 * time.Hour   // until the kernel gives up a peer that acknowledges nothing
	maxRTO      = 3 * time.Second // between two repetitions of data, where the kernel can be told (6.15 and later)
)

// socket is the connection beneath SSH. What is written waits while its peer does not answer.
type socket struct {
	*brisk
	pulse *pulse

	before  atomic.Int64 // bytes that the peer may still send before it lets us in, negative when it has
	last    atomic.Int64 // when something came from the peer, by monotonic
	throat  throat
	reading reading
	sending sending

	mu       sync.Mutex
	greeting []byte // the first bytes the peer sent, as evidence of what it is; nil once it has let us in
	closed   bool

	retired atomic.Bool // nothing is read or written for SSH any more; set under mu
	ended   atomic.Bool // nothing more will be read or written
}

// maxGreeting is how much of the peer's first bytes is kept: the longest version line.
const maxGreeting = 255

func newSocket(c *net.TCPConn) (*socket, error) {
	b, err := newBrisk(c)
	if err != nil {
		return nil, err
	}
	if err := c.SetKeepAliveConfig(probes); err != nil {
		return nil, err
	}
	s := &socket{brisk: b}
	s.before.Store(maxBefore)
	s.sending.unsent = minUnsent
	s.pulse = newPulse(s)
	_ = s.setTCP(unix.TCP_RTO_MAX_MS, int(maxRTO.Milliseconds())) // older kernels do not know it
	return s, errors.Join(
		s.setTCP(unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds())),
		s.setTCP(unix.TCP_NOTSENT_LOWAT, minUnsent),
	)
}

// setTCP sets one option of TCP.
func (s *socket) setTCP(option, to int) error {
	var opt error
	err := s.raw.Control(func(fd uintptr) { opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, to) })
	if err == nil {
		err = opt
	}
	return err
}

// hurry has the kernel ask a peer that does not answer every second instead of three, and repeat data as often, where it
// can be told. An interval counts only from the next probe on, so the idle time is set again: at that the kernel looks at
// once whether a probe is due.
func (s *socket) hurry(on bool) {
	interval, rto := probes.Interval, maxRTO
	if on {
		interval, rto = time.Second, time.Second
	}
	_ = s.setTCP(unix.TCP_RTO_MAX_MS, int(rto.Milliseconds()))
	_ = s.setTCP(unix.TCP_KEEPINTVL, int(interval.Seconds()))
	_ = s.setTCP(unix.TCP_KEEPIDLE, int(probes.Idle.Seconds()))
}

// info is what the kernel knows about the connection, nil once it is closed.
func (s *socket) info() *unix.TCPInfo {
	var info *unix.TCPInfo
	_ = s.raw.Control(func(fd uintptr) {
		info = tcpInfo(fd)
	})
	return info
}

// Read fails once the socket was retired, or when the peer says too much. It returns nothing, and no error, to be called
// again: see reading.
func (s *socket) Read(p []byte) (int, error) {
	if s.reading.fit(s) {
		return 0, nil
	}
	n, err := s.read(p)
	if err != nil {
		s.ended.Store(true) // before SSH knows, and with it who reads from a channel
	}
	return n, err
}

func (s *socket) read(p []byte) (int, error) {
	n, err := s.brisk.Read(s.throat.open(p))
	if s.retired.Load() {
		return 0, net.ErrClosed
	}
	if !s.received(p[:n]) {
		return 0, errTalksOn
	}
	return n, err
}

// received notes what was read, and reports false where that is too much. It sets TCP_QUICKACK again each time, because the
// kernel forgets it. Without it every small exchange waits for the peer's Nagle and our delayed acknowledgement: 40 ms for
// each new connection through a remote port.
func (s *socket) received(p []byte) bool {
	n := len(p)
	_ = s.raw.Control(quickAck) // fails only on a closed socket
	if n > 0 {
		now := monotonic(time.Now())
		s.reading.note(p, time.Duration(now-s.last.Swap(now)))
		s.pulse.heard()
	}
	s.throat.sipped += n
	if !s.maySay(n) {
		return false
	}
	s.greet(p)
	return true
}

// Close ends the connection, unless it was retired: then it has an end of its own.
func (s *socket) Close() error {
	s.ended.Store(true)
	s.pulse.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired.Load() {
		return nil
	}
	s.closed = true
	return s.TCPConn.Close()
}

// retire ends the connection for SSH without closing it: nothing is read or written any more but the end of our direction,
// which the kernel repeats until the peer has heard it. expire waits for that.
func (s *socket) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.retired.Load() {
		return
	}
	s.retired.Store(true)
	s.ended.Store(true)
	s.pulse.end()
	_ = s.TCPConn.SetDeadline(began) // ends what waits to be read or written
	_ = s.TCPConn.CloseWrite()
}

// expire keeps a retired connection until its peer has ended or reset it, for as long as the kernel has patience or until
// ctx ends, and closes it. What the peer had still to say is nobody's any more.
//
// A peer whose kernel has acknowledged our end need not have read it: while it repeats what it could not deliver during a
// long silence, minutes apart by then, its program sits in a write. Then the connection is reset, which ends that write: the
// path is there again, and if the reset is lost all the same, the next repetition is answered by another.
func (s *socket) expire(ctx context.Context) {
	if !s.retired.Load() {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = s.TCPConn.Close() })
	defer stop()
	defer s.TCPConn.Close()
	end := time.Now().Add(userTimeout)
	for acknowledged := false; time.Now().Before(end); {
		_ = s.TCPConn.SetReadDeadline(time.Now().Add(endUnread))
		err := s.drain()
		switch {
		case !isTimeout(err):
			return
		case acknowledged:
			_ = s.TCPConn.SetLinger(0)
			return
		}
		acknowledged = s.endAcknowledged()
	}
}

// endUnread is how long a peer may leave our end unread, once its kernel has acknowledged it, before it is reset.
const endUnread = time.Second

// drain reads what the peer still says, until that ends.
func (s *socket) drain() error {
	for b := make([]byte, 512); ; {
		if _, err := s.TCPConn.Read(b); err != nil {
			return err
		}
	}
}

// endAcknowledged reports whether the peer's kernel has acknowledged the end of our direction and not ended its own.
func (s *socket) endAcknowledged() bool {
	const finWait2 = 5 // of the states in TCP_INFO
	info := s.info()
	return info != nil && info.State == finWait2
}

// tcpInfo and quickAck do not tell the runtime of their calls: see brisk.
func tcpInfo(fd uintptr) *unix.TCPInfo {
	info := &unix.TCPInfo{}
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return nil
	}
	return info
}

func quickAck(fd uintptr) {
	on := int32(1)
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// maxBefore is how much a peer may say before it lets us in: version lines, the key exchange, banners.
const maxBefore = 128 << 10

// errTalksOn ends the reading from a peer that says more.
var errTalksOn = errors.New("the server talks on and on")

// letIn notes that the peer has let us in, and may say what it wants.
func (s *socket) letIn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before.Store(-1)
	s.greeting = nil
}

// maySay reports whether the peer may say n bytes more. It may have let us in by those very bytes: then letIn comes at the
// same time, and what it notes stays.
func (s *socket) maySay(n int) bool {
	left := s.before.Load()
	return left < 0 || !s.before.CompareAndSwap(left, max(left-int64(n), 0)) || left >= int64(n)
}

// talksOn is the failure of a connection to such a peer.
func talksOn(err error) *Failure {
	return &Failure{
		Reason:  tunnel.HandshakeClosed,
		Message: fmt.Sprintf("the server has said more than %d KiB and not let the PBX in", maxBefore>>10),
		Remedy:  "shorten its banner (Banner in sshd_config); nothing else that an honest server says before the login is so long",
		Err:     err,
	}
}

// greet keeps the first bytes the peer sends, until it lets us in.
func (s *socket) greet(p []byte) {
	if s.before.Load() < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before.Load() >= 0 {
		s.greeting = append(s.greeting, p[:min(len(p), maxGreeting-len(s.greeting))]...)
	}
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
	info := s.info()
	const none = ^uint32(0) // no sample yet
	if info == nil || info.Min_rtt == none {
		return 0
	}
	return time.Duration(info.Min_rtt) * time.Microsecond
}
