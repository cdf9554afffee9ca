package wire

import (
	"net"
	"sync"
	"time"
)

// How a module may reach the host, or answer it: far more than what it has to say takes, and little enough that saying
// it without end keeps the host from nothing.
const (
	maxConns   = 2              // connections at a time: one, and one more while the first is about to end
	inletRate  = 1 << 20        // bytes a second of each connection,
	inletBurst = 2 * MaxMessage // and at once
)

// Slowly is a connection to a module that is read no faster than a module has reason to write: the far end is held up by
// the full socket.
func Slowly(conn net.Conn) net.Conn {
	return &slowConn{Conn: conn, pace: Pace{Rate: inletRate, Burst: inletBurst}}
}

type slowConn struct {
	net.Conn
	pace Pace
}

// Read waits for its turn after it has read, at most for what one buffer is worth.
func (c *slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	time.Sleep(c.pace.Take(n))
	return n, err
}

// inlet is the listener at which one module reaches the host: few connections at a time, each slowly.
type inlet struct {
	net.Listener
	room chan struct{} // holds one token per connection
}

func newInlet(l net.Listener) *inlet { return &inlet{Listener: l, room: make(chan struct{}, maxConns)} }

// Accept closes what is one too many, at a pace at which a module that tries again and again costs nothing.
func (l *inlet) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.room <- struct{}{}:
			return &guest{Conn: Slowly(conn), leave: sync.OnceFunc(func() { <-l.room })}, nil
		default:
			conn.Close()
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// guest is a connection that makes room when it is closed.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
