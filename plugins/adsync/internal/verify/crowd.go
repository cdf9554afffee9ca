package verify

import (
	"context"
	"net"
	"slices"
	"sync"
)

// crowd is the listener of a Handler. It has room for maxWaiting who have not asked yet; where there is none left, who has
// been there longest gives way. So whoever is slow, or says nothing at all, does not keep others out.
type crowd struct {
	net.Listener

	mu      sync.Mutex
	waiting []*guest // the first who came in front
}

// guest is one connection.
type guest struct {
	net.Conn
	crowd *crowd
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{conn, c}
	if first := c.enter(g); first != nil {
		_ = first.Conn.Close()
	}
	return g, nil
}

// enter lets a guest in, and returns the one who is to give way.
func (c *crowd) enter(g *guest) (first *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting = append(c.waiting, g); len(c.waiting) > maxWaiting {
		first = c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
	return first
}

// hasAsked keeps a guest from giving way: it gets an answer.
func (g *guest) hasAsked() {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.crowd.waiting = slices.DeleteFunc(g.crowd.waiting, func(o *guest) bool { return o == g })
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.hasAsked()
	return g.Conn.Close()
}

type guestKey struct{}

// withGuest lets requests know whose they are.
func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// asked notes that the request of ctx has been read.
func asked(ctx context.Context) {
	if g, ok := ctx.Value(guestKey{}).(*guest); ok {
		g.hasAsked()
	}
}
