package sshtunnel_test

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// atOnce is how long an end that waits for nobody may take on a loaded machine.
const atOnce = time.Second

// promptly fails the test unless done is closed at once.
func promptly(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(atOnce):
		t.Errorf("%s did not end within %v", what, atOnce)
		<-done
	}
}

// fill writes to c until nobody takes any more.
func fill(t *testing.T, c net.Conn) {
	t.Helper()
	total := 0
	for {
		must(t, c.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
		n, err := c.Write(make([]byte, 64<<10))
		total += n
		if err != nil {
			t.Logf("stuck after %d bytes", total)
			return
		}
	}
}

// relayed relays between an accepted connection and site, and returns the client's side of it, the accepted one and a
// channel that is closed when Relay has returned.
func relayed(t *testing.T, site sshtunnel.Conn) (client, local *net.TCPConn, done <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	client = dial(t, "127.0.0.1", l.Addr().(*net.TCPAddr).Port)
	c, err := l.Accept()
	must(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		sshtunnel.Relay(c.(*net.TCPConn), site)
	}()
	t.Cleanup(func() { c.Close(); site.Close(); <-over })
	return client, c.(*net.TCPConn), over
}

// noRelayLeft fails the test when anything still carries bytes.
func noRelayLeft(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if n := strings.Count(string(stacks), "sshtunnel.(*relaying)"); n > 0 {
		t.Errorf("%d relays are left after Run has returned", n)
	}
}

// ends are the ways in which a connection is ended here.
var ends = map[string]func(t *testing.T, l *running, local, site net.Conn){
	"both sides closed": func(_ *testing.T, _ *running, local, site net.Conn) { local.Close(); site.Close() },
	"local closed":      func(_ *testing.T, _ *running, local, _ net.Conn) { local.Close() },
	"site closed":       func(_ *testing.T, _ *running, _, site net.Conn) { site.Close() },
	"withdrawn":         func(t *testing.T, l *running, _, _ net.Conn) { must(t, l.Withdraw(soon(t), "private")) },
	"link ended":        func(_ *testing.T, l *running, _, _ net.Conn) { l.stop() },
}

// TestEndsBehindATargetThatNeverReads: sshd does not answer the end of a channel whose target leaves bytes unread.
func TestEndsBehindATargetThatNeverReads(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	svc := stuck(t)
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			l := open(t, c)
			site := dialTo(t, l, svc)
			client, local, done := relayed(t, site)
			fill(t, client)
			must(t, l.Keepalive(soon(t)))
			end(t, l, local, site)
			promptly(t, "the relay", done)
			began := time.Now()
			l.stop()
			if took := time.Since(began); took > atOnce {
				t.Errorf("Run returned after %v", took)
			}
			noRelayLeft(t)
		})
	}
}

// TestEndsBehindAFrozenServer that answers nothing and reads nothing any more.
func TestEndsBehindAFrozenServer(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{})
	svc := serve(t, echo)
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			l := open(t, c)
			site := dialTo(t, l, svc)
			client, local, done := relayed(t, site)
			talk(t, client, "hello\n")
			s.Freeze()
			defer s.Thaw()
			fill(t, client)
			end(t, l, local, site)
			promptly(t, "the relay", done)
			began := time.Now()
			l.stop()
			if took := time.Since(began); took > 2*atOnce { // the farewell is one
				t.Errorf("Run returned after %v", took)
			}
			noRelayLeft(t)
		})
	}
}

// TestWithdrawBehindPeersThatNeverRead, for a client of either kind of port, in both directions.
func TestWithdrawBehindPeersThatNeverRead(t *testing.T) {
	flood := func(c *net.TCPConn) {
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	tests := map[string]struct {
		kind   tunnel.Kind
		floods bool // the service, at a client that reads nothing; else the client, at a service that does not
		listen func(*testing.T) *service
	}{
		"reach, service reads nothing":  {tunnel.Reach, false, stuck},
		"expose, service reads nothing": {tunnel.Expose, false, stuck},
		"reach, client reads nothing":   {tunnel.Reach, true, func(t *testing.T) *service { return serve(t, flood) }},
		"expose, client reads nothing":  {tunnel.Expose, true, func(t *testing.T) *service { return serve(t, flood) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			svc, port := test.listen(t), freePort(t)
			_, c := byKey(t, sshdtest.Options{})
			l := open(t, c)
			m := reach("m", port, "127.0.0.1", svc.port)
			if test.kind.Exposes() {
				m = expose("m", svc.port, port)
			}
			must(t, l.Apply(soon(t), m))
			conn := dial(t, "127.0.0.1", port)
			if test.floods {
				still := uint64(0)
				eventually(t, "nothing moves any more", func() bool {
					time.Sleep(300 * time.Millisecond)
					m := l.Traffic("m")
					in, out := m.In, m.Out
					defer func() { still = in + out }()
					return in+out > 0 && in+out == still
				})
			} else {
				fill(t, conn)
			}
			began := time.Now()
			must(t, l.Withdraw(soon(t), "m"))
			if took := time.Since(began); took > atOnce {
				t.Errorf("withdrawn after %v", took)
			}
			must(t, l.Keepalive(soon(t)))
			began = time.Now()
			l.stop()
			if took := time.Since(began); took > atOnce {
				t.Errorf("Run returned after %v", took)
			}
			noRelayLeft(t)
		})
	}
}
