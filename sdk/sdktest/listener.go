package sdktest

import (
	"net"
	"sync"
	"syscall"
)

// backlog is how many connections wait to be accepted.
const backlog = 128

// listener is where a module's connections from the site arrive.
type listener struct {
	name          addr
	configuration string // of the module, that listens
	arrived       chan net.Conn
	done          chan struct{}
	once          sync.Once
	closed        func(*listener)
}

var _ net.Listener = (*listener)(nil)

func newListener(name string, closed func(*listener)) *listener {
	return &listener{name: addr(name), arrived: make(chan net.Conn, backlog), done: make(chan struct{}), closed: closed}
}

// offer never waits: a full backlog refuses.
func (l *listener) offer(c net.Conn) error {
	select {
	case l.arrived <- c:
		return nil
	default:
		return syscall.ECONNREFUSED
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
	case c := <-l.arrived:
		return c, nil
	}
	return nil, &net.OpError{Op: "accept", Net: l.name.Network(), Addr: l.name, Err: net.ErrClosed}
}

// Close refuses what was not accepted yet.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.closed(l)
		for {
			select {
			case c := <-l.arrived:
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.name }
