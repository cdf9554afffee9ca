package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxGreeting bounds the line that the host speaks first on a private socket.
const maxGreeting = 4096

// greeting is that line: raw bytes follow where it is OK, the end where it is not.
type greeting struct {
	OK    bool            `json:"ok"`
	Error json.RawMessage `json:"error,omitempty"`
}

// greet writes the greeting that says refused, or OK where it is nil.
func (d *door) greet(conn net.Conn, refused error) error {
	line, err := d.line(refused)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write(line); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// line is the greeting as it goes over the socket. An error too long for it loses its remedy and sentence.
func (d *door) line(refused error) ([]byte, error) {
	g := greeting{OK: refused == nil}
	if refused != nil {
		g.Error = d.p.sockets.EncodeError(refused)
	}
	line, err := json.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("encode why %s is refused: %w", d.name, err)
	}
	if len(line) < maxGreeting {
		return append(line, '\n'), nil
	}
	short := tunnel.StatusError{Ref: d.p.ref, Mapping: d.name, State: tunnel.Down}
	if se, ok := refused.(*tunnel.StatusError); ok {
		short.State, short.Reason = se.State, se.Reason
	}
	g.Error = d.p.sockets.EncodeError(&short)
	line, err = json.Marshal(g)
	return append(line, '\n'), err
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

// watchHangup calls gone when the other end of conn hangs up, or speaks out of turn. end stops watching; conn is then
// as it was before, no byte of it read.
func watchHangup(conn *net.UnixConn, gone func()) (end func()) {
	raw, err := conn.SyscallConn()
	if err != nil {
		gone()
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if raw.Read(readable) == nil {
			gone()
		}
	}()
	return func() {
		_ = conn.SetReadDeadline(time.Now())
		<-ended
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// readable reports whether the socket has something to read, its end included, and leaves it there.
func readable(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN && err != syscall.EINTR
}
