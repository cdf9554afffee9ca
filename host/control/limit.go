package control

import (
	"net"
	"sync"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of connections, so that no local process can use up the daemon's descriptors, nor take the places of others.
const (
	maxConns       = 512 // in all but modules'
	maxConnsOthers = 448 // of others than root: root always gets in
	maxConnsUser   = 128 // of one user
	maxConnsGroup  = 64  // of one process group, however many processes it forks
	maxConnsModule = 4   // of one module: enough to be told that it is refused
)

// member is whom a connection counts for.
type member struct {
	module tunnel.Owner // "" where it is no module's; else the rest does not matter
	uid    uint32
	group  int // process group
}

// crowd counts the connections there are. Those of modules are counted apart: they take no place of an operator's.
type crowd struct {
	mu      sync.Mutex
	all     int // without the modules'
	modules map[tunnel.Owner]int
	users   map[uint32]int
	groups  map[int]int
}

// enter reports whether a connection may come in; if so, leave follows.
func (c *crowd) enter(m member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.roomLocked(m) {
		return false
	}
	if c.modules == nil {
		c.modules, c.users, c.groups = map[tunnel.Owner]int{}, map[uint32]int{}, map[int]int{}
	}
	c.countLocked(m, 1)
	return true
}

func (c *crowd) leave(m member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countLocked(m, -1)
}

func (c *crowd) roomLocked(m member) bool {
	if m.module != "" {
		return c.modules[m.module] < maxConnsModule
	}
	limit := maxConnsOthers
	if m.uid == 0 {
		limit = maxConns
	}
	return c.all < limit && c.users[m.uid] < maxConnsUser && c.groups[m.group] < maxConnsGroup
}

func (c *crowd) countLocked(m member, n int) {
	if m.module != "" {
		count(c.modules, m.module, n)
		return
	}
	c.all += n
	count(c.users, m.uid, n)
	count(c.groups, m.group, n)
}

// count adds n to what m counts for k and keeps no zeros.
func count[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
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
		m := l.memberOf(p)
		if l.crowd.enter(m) {
			return &counted{c, p, sync.OnceFunc(func() { l.crowd.leave(m) })}, nil
		}
		c.Close()
	}
}

// memberOf is whom a connection of p counts for.
func (l *listener) memberOf(p peer) member {
	if l.isModule != nil {
		if owner, is := l.isModule(p.pid); is {
			return member{module: owner}
		}
	}
	m := member{uid: p.uid, group: p.pid}
	if p.pid > 0 { // else it is in another namespace
		if group, err := syscall.Getpgid(p.pid); err == nil {
			m.group = group
		}
	}
	return m
}
