package sshtunnel

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// brief is up to how many bytes a transfer is so short that Go's runtime could not make use of its processor meanwhile.
const brief = 4 << 10

// brisk is a socket that reads and writes little without telling Go's runtime of the system call. The first call of which
// that hears after an idle moment wakes its monitor thread, which then looks around every 20 microseconds for a while: where
// small packets come one at a time, of many idle links or of one that is asked and answers, that costs as much as the packets.
// Much is read and written as usual, as other goroutines can use the processor meanwhile.
//
// One goroutine may read and one write at a time.
type brisk struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
	much    bool // was read last
}

func newBrisk(c *net.TCPConn) (*brisk, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &brisk{TCPConn: c, raw: raw}
	b.in.try, b.out.try = b.in.receive, b.out.send
	return b, nil
}

// briskly is c as a brisk one, where it is a socket.
func briskly(c end) end {
	if c, ok := c.(*net.TCPConn); ok {
		if b, err := newBrisk(c); err == nil {
			return b
		}
	}
	return c
}

// Read is that of the socket.
func (b *brisk) Read(p []byte) (n int, err error) {
	if b.much || len(p) == 0 {
		n, err = b.TCPConn.Read(p)
	} else if n, err = b.in.run(b.raw.Read, p); err != nil {
		err = b.failed("read", err)
	} else if n == 0 {
		err = io.EOF
	}
	b.much = n > brief
	return n, err
}

// Write is that of the socket.
func (b *brisk) Write(p []byte) (n int, err error) {
	if len(p) > brief {
		return b.TCPConn.Write(p)
	}
	return b.send(p, 0)
}

// send writes p with these flags of send(2).
func (b *brisk) send(p []byte, flags int) (n int, err error) {
	b.out.flags = flags | unix.MSG_NOSIGNAL
	for n < len(p) {
		m, err := b.out.run(b.raw.Write, p[n:])
		if err != nil {
			return n, b.failed("write", err)
		}
		n += m
	}
	return n, nil
}

// failed is err as the socket itself would say it.
func (b *brisk) failed(op string, err error) error {
	var says *net.OpError
	if errors.As(err, &says) {
		says.Op = op
		return says
	}
	return &net.OpError{Op: op, Net: "tcp", Source: b.LocalAddr(), Addr: b.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// transfer is one call to the kernel after the other, in one direction.
type transfer struct {
	try   func(fd uintptr) bool // made once, as is the rest: nothing is allocated for a call
	p     []byte
	flags int
	n     int
	errno syscall.Errno
}

// run makes the call as soon as the socket is ready for it.
func (t *transfer) run(when func(func(uintptr) bool) error, p []byte) (int, error) {
	t.p, t.n, t.errno = p, 0, 0
	err := when(t.try)
	t.p = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.n, err
}

func (t *transfer) receive(fd uintptr) bool { return t.call(unix.SYS_RECVFROM, fd) }

func (t *transfer) send(fd uintptr) bool { return t.call(unix.SYS_SENDTO, fd) }

// call reports false when the socket is not ready.
func (t *transfer) call(number, fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)), uintptr(t.flags), 0, 0)
		switch errno {
		case 0:
			t.n = int(n)
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			continue
		default:
			t.errno = errno
		}
		return true
	}
}
