package control

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of connections, so that no local process can use up the daemon's descriptors, nor take the places of others.
const (
	maxConns       = 512 // in all but modules'
	maxConnsOthers = 448 // of others than root: they cannot keep root out
	maxConnsUser   = 128 // of one user
	maxConnsGroup  = 64  // of one process group, however many processes it forks
	maxConnsModule = 4   // of one module: enough to be told that it is refused
	maxAwayUser    = 4   // one too many, of one user, kept only to be told so
	maxAway        = 32  // of all such
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
	away    int // turned away, and not gone yet
	awayOf  map[uint32]int
}

// enter reports whether a connection may come in; if so, leave follows. Else limit is the one that it meets, nil for a
// module's.
func (c *crowd) enter(m member) (limit *Error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit, ok := c.roomLocked(m); !ok {
		return limit, false
	}
	if c.modules == nil {
		c.modules, c.users, c.groups = map[tunnel.Owner]int{}, map[uint32]int{}, map[int]int{}
	}
	c.countLocked(m, 1)
	return nil, true
}

// turnAway reports whether there is a place for m to be told that it is one too many; if so, gone follows.
func (c *crowd) turnAway(m member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.module != "" || c.away >= maxAway || c.awayOf[m.uid] >= maxAwayUser {
		return false
	}
	if c.awayOf == nil {
		c.awayOf = map[uint32]int{}
	}
	c.away++
	count(c.awayOf, m.uid, 1)
	return true
}

func (c *crowd) gone(m member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away--
	count(c.awayOf, m.uid, -1)
}

func (c *crowd) leave(m member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countLocked(m, -1)
}

func (c *crowd) roomLocked(m member) (limit *Error, ok bool) {
	const followers = "end programs that follow the daemon (culvert events -f, culvert tunnel list --watch)"
	switch {
	case m.module != "":
		return nil, c.modules[m.module] < maxConnsModule
	case c.groups[m.group] >= maxConnsGroup:
		return crowded(maxConnsGroup, "of this process group", followers+", or begin a group of its own: setsid culvert ..."), false
	case c.users[m.uid] >= maxConnsUser:
		return crowded(maxConnsUser, fmt.Sprintf("of user %d", m.uid), followers+" as this user, then try again"), false
	case c.all >= maxConns:
		return crowded(maxConns, "of everybody", followers+", then try again"), false
	case m.uid != 0 && c.all >= maxConnsOthers:
		return crowded(maxConnsOthers, "of everybody but root", followers+", or try it as root"), false
	}
	return nil, true
}

func crowded(most int, whose, hint string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: codeCrowded,
		Message: fmt.Sprintf("the daemon has %d connections %s already and takes no more of them", most, whose), Hint: hint}
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
	limit *Error // every request is answered with, where it is one too many
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.UnixConn.Close()
}

// Accept waits for the next connection that may come in. One too many is told so, as far as there are places for that,
// and else closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p := peerOf(c)
		m := l.memberOf(p)
		limit, ok := l.crowd.enter(m)
		switch {
		case ok:
			return &counted{c, p, nil, sync.OnceFunc(func() { l.crowd.leave(m) })}, nil
		case l.crowd.turnAway(m):
			return &counted{c, p, limit, sync.OnceFunc(func() { l.crowd.gone(m) })}, nil
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
