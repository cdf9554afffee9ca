package supervisor

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// greet tells the module that raw bytes follow, or why not.
func (d *door) greet(conn net.Conn, refused error) error {
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := d.p.sockets.Greet(conn, refused); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// peer is the process at the other end of conn. One that has no number here, being in a container, is an error.
func peer(conn *net.UnixConn) (pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var cerr error
	err = raw.Control(func(fd uintptr) {
		cred, cerr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, cerr
	}
	if cred.Pid <= 0 {
		return 0, errors.New("the peer is in another process namespace")
	}
	return int(cred.Pid), nil
}

// watchHangup calls gone when over says of conn's socket that its other end hung up, or speaks out of turn; it is asked
// whenever something has come. end stops watching; conn is then as it was before, no byte of it read.
func watchHangup(conn hearing, over func(fd uintptr) bool, gone func()) (end func()) {
	raw, err := conn.SyscallConn()
	if err != nil {
		gone()
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if raw.Read(over) == nil {
			gone()
		}
	}()
	return func() {
		_ = conn.SetReadDeadline(time.Now())
		<-ended
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// hearing is a connection that can be listened at without being read.
type hearing interface {
	syscall.Conn
	SetReadDeadline(time.Time) error
}

// readable reports whether the socket has something to read, its end included, and leaves it there.
func readable(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN && err != syscall.EINTR
}

// hungUp reports whether whoever connected is gone: it reset the connection, or ended it without having said anything.
// One that said something and ended its direction waits for an answer.
func hungUp(fd uintptr) bool {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return false
	case err != nil || n == 0:
		return true
	}
	return broken(fd)
}

// broken reports whether a socket was reset, whatever it has still to read.
func broken(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	_, _ = unix.Poll(fds, 0)
	return fds[0].Revents&unix.POLLERR != 0
}
