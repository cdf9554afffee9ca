package pluginhost

import (
	"context"
	"io"
	"net"
	"sync"
)

// stream is a connection whose writing half closes alone: of TCP, or a unix socket.
type stream interface {
	net.Conn
	CloseWrite() error
}

// relay copies between a and b until both directions have ended or ctx has, and closes both.
func relay(ctx context.Context, a, b stream) {
	stop := context.AfterFunc(ctx, func() {
		_ = a.Close()
		_ = b.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { half(a, b) })
	both.Go(func() { half(b, a) })
	both.Wait()
	_ = a.Close()
	_ = b.Close()
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
