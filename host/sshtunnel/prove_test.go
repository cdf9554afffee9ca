package sshtunnel_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestLyingServersNeverProve asks servers that say yes to a forward and do something else.
func TestLyingServersNeverProve(t *testing.T) {
	t.Parallel()
	greeter := serve(t, func(c *net.TCPConn) { say(c, "220 not you\r\n"); io.Copy(io.Discard, c) })
	quiet := serve(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	repeater := serve(t, echo)
	tests := map[string]struct {
		server  sshtest.Options
		reason  tunnel.Reason
		applies tunnel.Reason // of Apply itself, "" when it says yes
	}{
		"never listens":                  {sshtest.Options{NeverListen: true}, tunnel.RemotePortForbidden, ""},
		"joined to a service that talks": {sshtest.Options{JoinTo: greeter.Addr().String()}, tunnel.RemotePortHeld, ""},
		"joined to a silent service":     {sshtest.Options{JoinTo: quiet.Addr().String()}, tunnel.RemotePortHeld, ""},
		"joined to an echo":              {sshtest.Options{JoinTo: repeater.Addr().String()}, tunnel.RemotePortHeld, ""},
		"answers only keepalives":        {sshtest.Options{Mute: true, KeepaliveOK: true}, tunnel.ServerBusy, tunnel.ServerBusy},
		"loses all connections":          {sshtest.Options{LoseTargets: true}, tunnel.RemotePortHeld, ""},
		"forbids the proof":              {sshtest.Options{NoTargets: true}, tunnel.ProofForbidden, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.server)
			l := open(t, config("127.0.0.1", s.Port()))
			svc := counting(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := l.Apply(ctx, expose("e", svc.port, freePort(t)))
			if test.applies == "" {
				must(t, err)
			} else {
				wantReason(t, err, test.applies)
			}
			for range 2 {
				began := time.Now()
				wantReason(t, l.Prove(soon(t), "e"), test.reason)
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("took %v", took)
				} else if took > time.Second {
					break // once is enough of this
				}
			}
			if !test.server.Mute { // SSH has one request at a time under way
				must(t, l.Keepalive(soon(t)))
			}
			if n := svc.connections.Load(); n != 0 {
				t.Errorf("the service saw %d connections", n)
			}
		})
	}
}

// TestHalfHeldPortIsFound has a stranger on one of the two loopback addresses: sshd says yes because of the other.
func TestHalfHeldPortIsFound(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			_, c := byKey(t, sshdtest.Options{})
			l := open(t, c)
			stranger := serveAt(t, net.JoinHostPort(host, "0"), func(c *net.TCPConn) { say(c, "220 stranger\r\n"); io.Copy(io.Discard, c) })
			must(t, l.Apply(soon(t), expose("e", counting(t).port, stranger.port)))
			wantReason(t, l.Prove(soon(t), "e"), tunnel.RemotePortHeld)
			wantReason(t, l.Prove(soon(t), "e"), tunnel.RemotePortHeld)
			stranger.Close()
			eventually(t, "the port is asked for again", func() bool { return l.Prove(soon(t), "e") == nil })
			if bound := sshdtest.Bound(t, stranger.port); len(bound) != 2 {
				t.Errorf("bound to %v", bound)
			}
		})
	}
}

// TestProofsAreNotSeenByTheService counts what arrives behind each kind while proofs and clients come at the same time.
func TestProofsAreNotSeenByTheService(t *testing.T) {
	for name, connect := range map[string]func(*testing.T) *running{
		"server in process": func(t *testing.T) *running { return open(t, config("127.0.0.1", start(t, sshtest.Options{}).Port())) },
		"OpenSSH":           func(t *testing.T) *running { _, c := byKey(t, sshdtest.Options{}); return open(t, c) },
	} {
		t.Run(name, func(t *testing.T) {
			l := connect(t)
			svc := counting(t)
			rport, lport := freePort(t), freePort(t)
			must(t, l.Apply(soon(t), expose("e", svc.port, rport)))
			must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", svc.port)))
			for range 30 {
				must(t, l.Prove(soon(t), "e"))
				must(t, l.Prove(soon(t), "r"))
			}
			if n := svc.connections.Load(); n != 0 {
				t.Fatalf("the service saw %d connections of ours", n)
			}
			must(t, askTarget(l, soon(t), "e"))
			must(t, askTarget(l, soon(t), "r"))
			eventually(t, "two connections", func() bool { return svc.connections.Load() == 2 })
			if n := svc.bytes.Load(); n != 0 {
				t.Errorf("the service saw %d bytes of ours", n)
			}
			if e := l.Traffic("e"); e.Open != 0 || e.In != 0 || e.Out != 0 || !e.Target.IsZero() {
				t.Errorf("counted as traffic: %+v", e)
			}
		})
	}
}

// TestClientsDuringProofs has clients of both sorts, those that speak first and those that wait for a greeting, while
// proofs run without a pause: every one gets its service, no byte is lost or added.
func TestClientsDuringProofs(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	svc := serve(t, func(c *net.TCPConn) { say(c, "220 ready\r\n"); echo(c) })
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", svc.port, rport)))
	ctx, stop := context.WithCancel(soon(t))
	var proofs sync.WaitGroup
	rounds := 0
	proofs.Go(func() {
		for ; ctx.Err() == nil; rounds++ {
			if err := l.Prove(soon(t), "e"); err != nil && ctx.Err() == nil {
				t.Errorf("proof: %v", err)
				return
			}
		}
	})
	const workers, each = 4, 25
	var clients sync.WaitGroup
	for w := range workers {
		clients.Go(func() {
			for i := range each {
				if err := client(rport, w%2 == 0, fmt.Sprintf("%d %d\n", w, i)); err != nil {
					t.Errorf("client: %v", err)
					return
				}
			}
		})
	}
	clients.Wait()
	stop()
	proofs.Wait()
	if n := svc.connections.Load(); n != workers*each {
		t.Errorf("the service saw %d connections of %d clients, during %d proofs", n, workers*each, rounds)
	}
	if rounds < 10 {
		t.Errorf("only %d proofs ran", rounds)
	}
}

// client talks to the service behind port, speaking first or waiting for its greeting.
func client(port int, first bool, line string) error {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	const greeting = "220 ready\r\n"
	if first {
		io.WriteString(c, line)
	}
	got := make([]byte, len(greeting)+len(line))
	if _, err := io.ReadFull(c, got[:len(greeting)]); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if !first {
		io.WriteString(c, line)
	}
	if _, err := io.ReadFull(c, got[len(greeting):]); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if string(got) != greeting+line {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

// TestClientsDuringAProofThatCannotComeBack: nobody waits longer than a second after the start of a proof, and whoever
// speaks does not wait at all.
func TestClientsDuringAProofThatCannotComeBack(t *testing.T) {
	t.Parallel()
	s := start(t, sshtest.Options{LoseTargets: true})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, func(c *net.TCPConn) { say(c, "220 ready\r\n"); echo(c) })
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", svc.port, rport)))
	proving := make(chan error, 1)
	began := time.Now()
	go func() { proving <- l.Prove(soon(t), "e") }()
	timed := func(first bool) time.Duration {
		began := time.Now()
		if err := client(rport, first, "hello\n"); err != nil {
			t.Error(err)
		}
		return time.Since(began)
	}
	speakers := make(chan time.Duration, 8)
	for range cap(speakers) {
		go func() { speakers <- timed(true) }()
	}
	fastest := time.Hour
	for range cap(speakers) {
		fastest = min(fastest, <-speakers) // a busy machine delays some
	}
	if fastest > 900*time.Millisecond {
		t.Errorf("who speaks first waited %v at least", fastest)
	}
	if took := timed(false); took > 3*time.Second {
		t.Errorf("who waits for the greeting waited %v", took)
	}
	time.Sleep(time.Until(began.Add(1100 * time.Millisecond)))
	var late []time.Duration
	for i := range 20 {
		late = append(late, timed(i%2 == 0))
	}
	slices.Sort(late)
	if late[len(late)/2] > 500*time.Millisecond {
		t.Errorf("a second after the start of the proof they waited %v", late)
	}
	wantReason(t, <-proving, tunnel.RemotePortHeld)
}

// TestLateNonceIsSwallowed: a nonce that comes back after its proof was given up never reaches the service.
func TestLateNonceIsSwallowed(t *testing.T) {
	t.Parallel()
	s := start(t, sshtest.Options{SlowForward: 1500 * time.Millisecond})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := counting(t)
	must(t, l.Apply(soon(t), expose("e", svc.port, freePort(t))))
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		wantReason(t, l.Prove(ctx, "e"), tunnel.ServerBusy)
		cancel()
	}
	must(t, l.Prove(soon(t), "e")) // comes after the late ones
	eventually(t, "all connections have ended", func() bool { return l.Traffic("e").Open == 0 })
	if n := svc.bytes.Load(); n != 0 {
		t.Errorf("the service saw %d bytes of ours", n)
	}
}

// TestOwnServiceIsNoStranger on a link so slow that its connection goes to the service before the nonce has come: what that
// says, or that it is not there, is no other program's word, and whoever it was is no caller.
func TestOwnServiceIsNoStranger(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sshtest.Options{
		"slow from the port": {SlowForward: 1500 * time.Millisecond},
		"slow to the port":   {SlowTargets: 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, o)
			l := open(t, config("127.0.0.1", s.Port()))
			greeter := serve(t, func(c *net.TCPConn) { say(c, "Asterisk Call Manager\r\n"); io.Copy(io.Discard, c) })
			must(t, l.Apply(soon(t), expose("greets", greeter.port, freePort(t))))
			must(t, l.Apply(soon(t), expose("absent", freePort(t), freePort(t))))
			for _, m := range []string{"greets", "absent"} {
				if err := l.Prove(soon(t), m); err != nil {
					wantReason(t, err, tunnel.ServerBusy)
				}
				if n := l.Traffic(m).Total; n != 0 {
					t.Errorf("%s: %d callers", m, n)
				}
			}
		})
	}
}

// TestProofGivenUpIsNoCaller: its connection, which the server opened too late, says all the same whose it is.
func TestProofGivenUpIsNoCaller(t *testing.T) {
	t.Parallel()
	waited, began, ended := make(chan struct{}), make(chan struct{}, 8), make(chan int64, 8)
	s := start(t, sshtest.Options{OnTarget: func() { <-waited }})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, func(c *net.TCPConn) {
		began <- struct{}{}
		n, _ := io.Copy(io.Discard, c)
		ended <- n
	})
	must(t, l.Apply(soon(t), expose("e", svc.port, freePort(t))))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	wantReason(t, l.Prove(ctx, "e"), tunnel.ServerBusy)
	<-began // nobody is held for a proof that was given up
	close(waited)
	if n := <-ended; n != 0 {
		t.Errorf("the service saw %d bytes of ours", n)
	}
	if n := l.Traffic("e").Total; n != 0 {
		t.Errorf("%d callers", n)
	}
	must(t, l.Prove(soon(t), "e"))
}

// TestForeignNonceIsOnlyBytes sends what looks like a nonce but is none of ours.
func TestForeignNonceIsOnlyBytes(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", serve(t, echo).port, rport)))
	for range 3 {
		must(t, l.Prove(soon(t), "e"))
		talk(t, dial(t, "127.0.0.1", rport), "culvert-proof "+strings.Repeat("0", 32)+"\r\n")
	}
}

// TestReachHasNothingToProveButTheLink: its port on the PBX is not the engine's.
func TestReachHasNothingToProveButTheLink(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	m := reach("r", freePort(t), "127.0.0.1", counting(t).port)
	must(t, l.Link.Apply(soon(t), m))
	must(t, l.Prove(soon(t), "r"))
	if bound := sshdtest.Bound(t, m.Local.Port); len(bound) > 0 {
		t.Errorf("the engine listens on %v", bound)
	}
	must(t, l.Withdraw(soon(t), "r"))
	wantReason(t, l.Prove(soon(t), "r"), tunnel.LinkLost)
}
