package sshtunnel_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// slope is a path to a port of this machine on which what goes there can be held up, as behind a packet that was lost; what
// comes from there passes.
type slope struct {
	mu   sync.Mutex
	free chan struct{} // closed while all passes
}

// uphill makes one and returns the port to connect to.
func uphill(t *testing.T, to int) (*slope, int) {
	t.Helper()
	p := &slope{free: make(chan struct{})}
	close(p.free)
	l := serve(t, func(c *net.TCPConn) {
		there, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
		if err != nil {
			return
		}
		defer there.Close()
		go func() { _, _ = io.Copy(c, there); c.Close() }()
		for buf := make([]byte, 4096); ; {
			n, err := c.Read(buf)
			p.mu.Lock()
			free := p.free
			p.mu.Unlock()
			<-free
			if _, failed := there.Write(buf[:n]); failed != nil || err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { p.holds(false) })
	return p, l.port
}

// holds has the path hold up what goes there from now on, or lets it go.
func (p *slope) holds(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch held := !closed(p.free); {
	case on && !held:
		p.free = make(chan struct{})
	case !on && held:
		close(p.free)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A nonce that the path has not brought to the server yet says nothing about who has the port there: the mapping, and the
// connections through it, stay.
func TestANonceHeldUpOnItsWayIsNoVerdict(t *testing.T) {
	t.Parallel()
	var once sync.Once
	var path *slope
	loses := make(chan struct{})
	s := start(t, sshtest.Options{OnTarget: func() {
		if closed(loses) {
			once.Do(func() { path.holds(true) })
		}
	}})
	path, port := uphill(t, s.Port())
	l := open(t, config("127.0.0.1", port))
	m := expose("e", serve(t, echo).port, freePort(t))
	must(t, l.Apply(soon(t), m))
	must(t, l.Prove(soon(t), "e"))
	client := dial(t, "127.0.0.1", m.Remote.Port)
	talk(t, client, "before\n")

	close(loses)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	wantReason(t, l.Prove(ctx, "e"), tunnel.ServerBusy)
	path.holds(false)
	must(t, l.Prove(soon(t), "e"))
	talk(t, client, "after\n")
}
