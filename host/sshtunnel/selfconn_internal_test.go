package sshtunnel

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// refusing is a server that refuses every channel and notes that it was asked.
type refusing struct {
	ssh.Conn
	asked chan string
}

func (r refusing) OpenChannel(kind string, _ []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	r.asked <- kind
	return nil, nil, &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "refused"}
}

// TestLateSelfConnectionGetsNoChannel: it is accepted when its proof has been given up and nobody waits for it any more.
func TestLateSelfConnectionGetsNoChannel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	far := refusing{asked: make(chan string, 10)}
	c := Config{}.withDefaults()
	l := &Link{config: c, log: c.Log, conn: far, ctx: ctx, mappings: map[string]*mapping{}}
	m := newMapping(l, tunnel.Mapping{Name: "m", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: 1}, Remote: tunnel.Endpoint{Port: 1}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.local.listeners = []*net.TCPListener{listener.(*net.TCPListener)} // that nobody accepts at yet
	for range 5 {
		short, end := context.WithTimeout(ctx, 50*time.Millisecond)
		if f := m.proveLocal(short); f == nil || f.Reason != tunnel.LocalPortInUse {
			t.Errorf("a proof that nobody answered: %v", f)
		}
		end()
	}
	l.spawn(func() { m.accept(m.local.listeners[0]) })
	if f := m.proveLocal(ctx); f != nil { // it comes after the late ones
		t.Errorf("the proof after them: %v", f)
	}
	if client, err := net.Dial("tcp", listener.Addr().String()); err == nil { // else it was refused already
		defer client.Close()
		_, _ = client.Read(make([]byte, 1)) // until it is refused
	}
	select {
	case kind := <-far.asked:
		far.asked <- kind
	case <-time.After(10 * time.Second):
	}
	cancel()
	l.work.Wait()
	if n := len(far.asked); n != 1 {
		t.Errorf("%d channels were asked for, want only the client's", n)
	}
}
