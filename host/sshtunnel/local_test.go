package sshtunnel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// localSide is the port of a reach mapping on the PBX, as whoever uses the engine opens it: the engine opens none.
type localSide struct {
	mapping   tunnel.Mapping
	listeners []net.Listener
	closed    []chan struct{}
}

// Apply is the link's, and opens the port on the PBX where the mapping has one.
func (r *running) Apply(ctx context.Context, m tunnel.Mapping) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.local[m.Name]; old != nil && old.mapping != m {
		r.shutLocked(m.Name)
	}
	if err := r.Link.Apply(ctx, m); err != nil || !m.Kind.Reaches() || m.Private() || r.local[m.Name] != nil {
		return err
	}
	if r.local == nil {
		r.local = map[string]*localSide{}
	}
	side := &localSide{mapping: m}
	r.local[m.Name] = side
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, m.Local.Port))
		if err != nil {
			r.shutLocked(m.Name)
			return err
		}
		closed := make(chan struct{})
		side.listeners, side.closed = append(side.listeners, l), append(side.closed, closed)
		go func() { defer close(closed); r.accept(l, m) }()
	}
	return nil
}

// Withdraw is the link's, and closes the port on the PBX.
func (r *running) Withdraw(ctx context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shutLocked(name)
	return r.Link.Withdraw(ctx, name)
}

func (r *running) shutLocked(name string) {
	side := r.local[name]
	if side == nil {
		return
	}
	delete(r.local, name)
	for i, l := range side.listeners {
		l.Close()
		<-side.closed[i]
	}
}

// accept relays clients until l is closed or the link is gone.
func (r *running) accept(l net.Listener, m tunnel.Mapping) {
	defer context.AfterFunc(r.ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go r.connected(c.(*net.TCPConn), m)
		}
	}
}

// connected relays a client to the target or resets it.
func (r *running) connected(c *net.TCPConn, m tunnel.Mapping) {
	from, _, _ := strings.Cut(c.RemoteAddr().String(), ":")
	far, err := r.Open(r.ctx, m, from)
	if err != nil {
		_ = c.SetLinger(0)
		_ = c.Close()
		return
	}
	sshtunnel.Relay(c, far)
}
