package supervisor

import (
	"context"
	"sync"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// handshakesPerServer is how many handshakes run at a time with one server. Beyond ten sshd begins to drop some at
// random (MaxStartups 10:30:100), by which no tunnel gains.
const handshakesPerServer = 8

// gate lets a bounded number of handshakes at a time through to each server. Two ways to write one server are one
// server, as they are for the reservations of its ports.
type gate struct {
	width int

	mu    sync.Mutex
	lanes map[string]*lane
}

// lane is the way to one server; users counts those in it or before it.
type lane struct {
	places chan struct{}
	users  int
}

func newGate(width int) *gate { return &gate{width: width, lanes: map[string]*lane{}} }

// enter waits for a place on the way to server. release gives it back and may be called more than once.
func (g *gate) enter(ctx context.Context, server tunnel.Server) (release func(), err error) {
	key := tunnel.ScopeRemote(server)
	l := g.join(key)
	select {
	case l.places <- struct{}{}:
	case <-ctx.Done():
		g.leave(key, l)
		return nil, ctx.Err()
	}
	return sync.OnceFunc(func() {
		<-l.places
		g.leave(key, l)
	}), nil
}

func (g *gate) join(key string) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[key]
	if l == nil {
		l = &lane{places: make(chan struct{}, g.width)}
		g.lanes[key] = l
	}
	l.users++
	return l
}

// leave forgets a lane that nobody uses.
func (g *gate) leave(key string, l *lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(g.lanes, key)
	}
}

// place is an attempt's place among the handshakes with its server. It is kept a little longer than the handshake
// takes: sshd counts a connection as one that logs in until its listener has heard of the success, which on a busy
// server is later than we hear of it. The first answer on the link, or none, gives the place back.
type place struct {
	gate   *gate
	server tunnel.Server

	mu      sync.Mutex
	release func()
}

// take is Attempt.Admit. The end of the handshake gives nothing back.
func (p *place) take(ctx context.Context) (release func(), err error) {
	free, err := p.gate.enter(ctx, p.server)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release = free
	return func() {}, nil
}

// giveBack gives the place back, if it is taken.
func (p *place) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.release != nil {
		p.release()
	}
}
