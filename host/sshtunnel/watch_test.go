package sshtunnel_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// open connections of the mapping m.
func openOnes(l *running) int { return l.Traffic("m").Open }

// TestClientThatIsGoneEndsItsChannel although the target neither reads nor ends.
func TestClientThatIsGoneEndsItsChannel(t *testing.T) {
	tests := map[string]func(t *testing.T, c *net.TCPConn){
		"reset":                        func(*testing.T, *net.TCPConn) {},
		"reset after its end":          func(t *testing.T, c *net.TCPConn) { must(t, c.CloseWrite()); time.Sleep(50 * time.Millisecond) },
		"reset behind a stuck target":  func(t *testing.T, c *net.TCPConn) { fill(t, c) },
		"end and reset, stuck target":  func(t *testing.T, c *net.TCPConn) { fill(t, c); must(t, c.CloseWrite()) },
		"reset with bytes on the way":  func(t *testing.T, c *net.TCPConn) { _, err := c.Write(make([]byte, 100)); must(t, err) },
		"end, then reset after a time": func(t *testing.T, c *net.TCPConn) { must(t, c.CloseWrite()); time.Sleep(600 * time.Millisecond) },
	}
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	m := reach("m", freePort(t), "127.0.0.1", stuck(t).port)
	must(t, l.Apply(soon(t), m))
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			client := dial(t, "127.0.0.1", m.Local.Port)
			eventually(t, "it is open", func() bool { return openOnes(l) == 1 })
			before(t, client)
			if n := openOnes(l); n != 1 {
				t.Fatalf("%d connections are open before the client is gone", n)
			}
			must(t, client.SetLinger(0))
			client.Close()
			began := time.Now()
			eventually(t, "it has ended", func() bool { return openOnes(l) == 0 })
			if took := time.Since(began); took > atOnce {
				t.Errorf("ended after %v", took)
			}
		})
	}
}

// TestModuleThatHungUpEndsItsChannel: on a unix socket hanging up differs from ending one direction.
func TestModuleThatHungUpEndsItsChannel(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	site := dialTo(t, l, stuck(t))
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	defer listener.Close()
	module, err := net.Dial("unix", listener.Addr().String())
	must(t, err)
	defer module.Close()
	local, err := listener.Accept()
	must(t, err)
	done := make(chan struct{})
	go func() { defer close(done); sshtunnel.Relay(local.(*net.UnixConn), site) }()
	must(t, module.(*net.UnixConn).CloseWrite())
	select {
	case <-done:
		t.Fatal("half a connection was ended")
	case <-time.After(700 * time.Millisecond):
	}
	module.Close()
	promptly(t, "the relay", done)
}

// TestHalfDeadConnectionsGiveTheirPlacesBack: all places taken by clients that left without a word, to a target that
// ignores it.
func TestHalfDeadConnectionsGiveTheirPlacesBack(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c.WithHalfDead(2*time.Second))
	svc := stuck(t)
	m := reach("m", freePort(t), "127.0.0.1", svc.port)
	must(t, l.Apply(soon(t), m))
	const places = 512
	for range places {
		dial(t, "127.0.0.1", m.Local.Port).Close()
	}
	eventually(t, "all have come to the target", func() bool { return svc.connections.Load() == places })
	eventually(t, "all have ended", func() bool { return openOnes(l) == 0 })
	whole := dial(t, "127.0.0.1", m.Local.Port)
	eventually(t, "a new client is served", func() bool { return openOnes(l) == 1 })
	time.Sleep(2500 * time.Millisecond) // half dead it is not, however long it is silent
	if openOnes(l) != 1 {
		t.Error("a silent connection with both sides was ended")
	}
	whole.Close()
}

// TestHalfClosedClientKeepsWorking while its answer comes, be it slowly.
func TestHalfClosedClientKeepsWorking(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c.WithHalfDead(time.Second))
	const answer = "slowly, slowly"
	svc := serve(t, func(c *net.TCPConn) {
		for i := range answer {
			time.Sleep(200 * time.Millisecond)
			if _, err := c.Write([]byte{answer[i]}); err != nil {
				return
			}
		}
	})
	m := reach("m", freePort(t), "127.0.0.1", svc.port)
	must(t, l.Apply(soon(t), m))
	if got := exchangeAll(t, dial(t, "127.0.0.1", m.Local.Port), []byte("question")); string(got) != answer {
		t.Errorf("got %q, want %q", got, answer)
	}
}
