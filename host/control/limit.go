package control

import (
	"net"
	"sync"
)

// Limits of connections, so that no local process can use up the daemon's descriptors.
const (
	maxConns    = 512 // in all
	maxConnsPID = 64  // of one process
)

// crowd counts the connections there are.
type crowd struct {
	mu   sync.Mutex
	all  int
	each map[int]int
}

// enter reports whether a connection of that process may come in; if so, leave follows.
func (c *crowd) enter(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= maxConns || c.each[pid] >= maxConnsPID {
		return false
	}
	if c.each == nil {
		c.each = map[int]int{}
	}
	c.all++
	c.each[pid]++
	return true
}

func (c *crowd) leave(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.each[pid]--; c.each[pid] == 0 {
		delete(c.each, pid)
	}
}

// counted is a connection in a crowd, with the peer it came from.
type counted struct {
	*net.UnixConn
	peer  peer
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.UnixConn.Close()
}

// Accept waits for the next connection that may come in; one too many is closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p := peerOf(c)
		if l.crowd.enter(p.pid) {
			return &counted{c, p, sync.OnceFunc(func() { l.crowd.leave(p.pid) })}, nil
		}
		c.Close()
	}
}
