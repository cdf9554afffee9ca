package netbed

import (
	"net"
	"sync"
)

// Echo answers every connection at an address of the namespace with what it says, until the bed is closed, and returns
// the port.
func (b *Bed) Echo(in *Namespace, addr string) (port int, err error) {
	l, err := in.Listen(addr)
	if err != nil {
		return 0, err
	}
	e := &echoes{open: map[net.Conn]bool{}}
	e.all.Go(func() { e.serve(l) })
	b.onClose(func() {
		l.Close()
		e.close()
	})
	return l.Addr().(*net.TCPAddr).Port, nil
}

// echoes are the connections of an echo service.
type echoes struct {
	all    sync.WaitGroup
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func (e *echoes) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		if e.closed {
			e.mu.Unlock()
			c.Close()
			return
		}
		e.open[c] = true
		e.mu.Unlock()
		e.all.Go(func() { e.echo(c) })
	}
}

func (e *echoes) echo(c net.Conn) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.open, c)
		c.Close()
	}()
	for buf := make([]byte, 4<<10); ; {
		n, err := c.Read(buf)
		if n > 0 {
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (e *echoes) close() {
	e.mu.Lock()
	e.closed = true
	for c := range e.open {
		c.Close()
	}
	e.mu.Unlock()
	e.all.Wait()
}
