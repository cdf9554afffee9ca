package pluginhost

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stream is a connection whose writing half closes alone: of TCP, or a unix socket.
type stream interface {
	net.Conn
	CloseWrite() error
}

// goneWatch is how often a side that has nothing more to say is asked whether it still listens.
const goneWatch = 250 * time.Millisecond

// relay copies between a and b until both directions have ended or ctx has, and closes both. It ends as well once one of them
// is gone altogether: who is silent at the other would be kept for ever.
func relay(ctx context.Context, a, b stream) {
	shut := func() {
		_ = a.Close()
		_ = b.Close()
	}
	stop := context.AfterFunc(ctx, shut)
	defer stop()
	ended := make(chan stream, 2) // who has nothing more to say
	go func() { half(a, b); ended <- b }()
	go func() { half(b, a); ended <- a }()
	first := <-ended
	watch := time.NewTicker(goneWatch)
	defer watch.Stop()
	for !gone(first) {
		select {
		case <-watch.C:
		case <-ended:
			shut()
			return
		}
	}
	shut()
	<-ended
}

// gone reports whether the other end of a unix socket is closed, and not its writing half alone. Of TCP nobody can tell.
func gone(s stream) (yes bool) {
	raw, ok := s.(*net.UnixConn)
	if !ok {
		return false
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return true
	}
	err = c.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(p, 0)
		yes = err == nil && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return yes || err != nil
}

// half copies one direction. Its end is passed on; an error ends both, so that neither side waits for the other.
func half(to, from stream) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}
