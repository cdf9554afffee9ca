package sshtunnel_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestPortHeldByOwnTunnelWhileClientsCome has one tunnel ask for the port of another again and again, while clients of
// both sorts come to that: they lose nothing, and its service sees only them.
func TestPortHeldByOwnTunnelWhileClientsCome(t *testing.T) {
	port := freePort(t)
	c, _ := sshd("").start(t, port)
	c.Crossing = sshtunnel.NewCrossing()
	holder := c
	holder.Label = "adsync/berlin.site"
	svc := serve(t, func(c *net.TCPConn) { say(c, "220 ready\r\n"); echo(c) })
	h := open(t, holder)
	must(t, h.Apply(soon(t), expose("ldap", svc.port, port)))
	must(t, h.Prove(soon(t), "ldap"))
	l := open(t, c)
	const rounds = 10
	for i := range rounds {
		asked := make(chan error, 1)
		go func() { asked <- l.Apply(soon(t), expose("e", counting(t).port, port)) }()
		must(t, client(port, i%2 == 0, "hello\n"))
		f := wantRefusal(t, <-asked, tunnel.RemotePortHeld, tunnel.HeldByOwnTunnel)
		if !strings.Contains(f.Message, "adsync/berlin.site/ldap") {
			t.Errorf("the holder is not named: %s", f.Message)
		}
	}
	if n := svc.connections.Load(); n != rounds {
		t.Errorf("the service saw %d connections of %d clients", n, rounds)
	}
	must(t, h.Prove(soon(t), "ldap"))
}

// TestPortHeldByEarlierLink has the tunnel's own earlier link answer: it is a session of ours, not another tunnel.
func TestPortHeldByEarlierLink(t *testing.T) {
	port := freePort(t)
	c, _ := sshd("").start(t, port)
	c.Crossing = sshtunnel.NewCrossing()
	first := open(t, c)
	must(t, first.Apply(soon(t), expose("e", counting(t).port, port)))
	c.Earlier = time.Now().Add(-26 * time.Hour)
	second := open(t, c)
	f := wantRefusal(t, second.Apply(soon(t), expose("e", counting(t).port, port)), tunnel.RemotePortHeld, tunnel.HeldByOwnSession)
	if !strings.Contains(f.Message, "our own session of "+c.Earlier.Format("2006-01-02 15:04")) {
		t.Errorf("the session is not named: %s", f.Message)
	}
	first.stop()
	eventually(t, "the port is ours", func() bool { return second.Apply(soon(t), expose("e", counting(t).port, port)) == nil })
	must(t, second.Prove(soon(t), "e"))
}

// TestPortThatComesFreeMeanwhile is let go of between the server's refusal and the question who has it: no rule forbids it,
// and it is ours at once.
func TestPortThatComesFreeMeanwhile(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := held.Addr().(*net.TCPAddr).Port
	held6, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port))
	must(t, err)
	letGo := sync.OnceFunc(func() {
		held.Close()
		held6.Close()
	})
	t.Cleanup(letGo)
	s := start(t, sshtest.Options{OnRefusal: letGo})
	l := open(t, config("127.0.0.1", s.Port()))
	must(t, l.Apply(soon(t), expose("e", counting(t).port, port)))
	must(t, l.Prove(soon(t), "e"))
	must(t, l.Withdraw(soon(t), "e"))
	again, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	must(t, err) // it was handed back
	again.Close()
}

// TestStrangersFirstWordsAreEvidence, without what a terminal would obey.
func TestStrangersFirstWordsAreEvidence(t *testing.T) {
	port := serveAt(t, "127.0.0.1:0", func(c *net.TCPConn) {
		say(c, "220 \x1b[2Jmail \u202e"+strings.Repeat("x", 3000)+"\r\n")
		_, _ = io.Copy(io.Discard, c)
	}).port
	serveAt(t, fmt.Sprintf("[::1]:%d", port), echo)
	c, _ := sshd("").start(t, port)
	f := wantRefusal(t, open(t, c).Apply(soon(t), expose("e", counting(t).port, port)), tunnel.RemotePortHeld, tunnel.HeldByStranger)
	said := strings.Join(f.Diagnosis.Evidence, "\n")
	if strings.ContainsAny(said+f.Message, "\x1b\u202e") {
		t.Errorf("not escaped: %q", said)
	}
	if len(f.Message) > 500 {
		t.Errorf("%d bytes of message", len(f.Message))
	}
}

// TestDropbearKeepsWhatIsHandedBack: a port that it does not give again, because it has it for us already, is ours.
func TestDropbearKeepsWhatIsHandedBack(t *testing.T) {
	port := freePort(t)
	c, _ := dropbear("").start(t, port)
	l := open(t, c)
	svc := serve(t, echo)
	for range 3 {
		must(t, l.Apply(soon(t), expose("e", svc.port, port)))
		must(t, l.Prove(soon(t), "e"))
		talk(t, dial(t, "127.0.0.1", port), "hello\n")
		must(t, l.Withdraw(soon(t), "e"))
		if bound := sshdtest.Bound(t, port); len(bound) == 0 {
			t.Skip("skipped: this dropbear takes ports back")
		}
	}
}
