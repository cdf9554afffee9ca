package sshtunnel_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestNeighboursNoticeNothing changes other mappings of a link while transfers run on it, both ways.
func TestNeighboursNoticeNothing(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Config: []string{"GatewayPorts clientspecified"}})
	l := open(t, c)
	svc := serve(t, digest)
	lport, rport := freePort(t), freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", svc.port)))
	must(t, l.Apply(soon(t), expose("e", svc.port, rport)))
	data := make([]byte, 4<<20)
	rand.Read(data)
	want := digestOf(data)

	var transfers sync.WaitGroup
	running := make(chan struct{})
	for _, port := range []int{lport, rport} {
		conn := dial(t, "127.0.0.1", port)
		transfers.Go(func() { // half of it before the changes, half after
			half := len(data) / 2
			if _, err := conn.Write(data[:half]); err != nil {
				t.Error(err)
			}
			<-running
			if got := exchangeAll(t, conn, data[half:]); !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back, or others than were sent", len(got))
			}
		})
	}
	for i := range 10 {
		other := expose("other", svc.port, freePort(t))
		if i%2 == 0 {
			other.Kind = tunnel.ExposeGateway
		}
		must(t, l.Apply(soon(t), other))
		must(t, l.Prove(soon(t), "other"))
		must(t, l.Apply(soon(t), reach("more", freePort(t), "127.0.0.1", svc.port)))
		must(t, l.Withdraw(soon(t), "more"))
		must(t, l.Withdraw(soon(t), "other"))
	}
	close(running)
	transfers.Wait()
}

// TestWithdrawEndsItsConnections and leaves the ports free for whoever wants them next.
func TestWithdrawEndsItsConnections(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, echo)
	lport, rport := freePort(t), freePort(t)
	r, e := reach("r", lport, "127.0.0.1", svc.port), expose("e", svc.port, rport)
	for range 3 {
		must(t, l.Apply(soon(t), r))
		must(t, l.Apply(soon(t), e))
		a, b := dial(t, "127.0.0.1", lport), dial(t, "127.0.0.1", rport)
		talk(t, a, "one\n")
		talk(t, b, "two\n")
		must(t, l.Withdraw(soon(t), "r"))
		must(t, l.Withdraw(soon(t), "e"))
		for _, c := range []net.Conn{a, b} {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("a connection of a withdrawn mapping lives on")
			}
		}
		for _, port := range []int{lport, rport} {
			if bound := sshdtest.Bound(t, port); len(bound) > 0 {
				t.Errorf("still bound to %v", bound)
			}
		}
	}
	must(t, l.Withdraw(soon(t), "never applied"))
}

// TestChangedMappingReplacesTheOld: applying a mapping that differs is one step for the caller.
func TestChangedMappingReplacesTheOld(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, echo)
	first, second := freePort(t), freePort(t)
	must(t, l.Apply(soon(t), expose("m", svc.port, first)))
	must(t, l.Apply(soon(t), expose("m", svc.port, first)))
	must(t, l.Apply(soon(t), expose("m", svc.port, second)))
	must(t, l.Prove(soon(t), "m"))
	if bound := sshdtest.Bound(t, first); len(bound) > 0 {
		t.Errorf("the old port is still bound to %v", bound)
	}
	must(t, l.Apply(soon(t), reach("m", first, "127.0.0.1", svc.port)))
	must(t, l.Prove(soon(t), "m"))
	if bound := sshdtest.Bound(t, second); len(bound) > 0 {
		t.Errorf("the old port is still bound to %v", bound)
	}
}

// TestStuckConnectionsDoNotDisturbOthers has a hundred connections to a service that never reads, full to the brim.
func TestStuckConnectionsDoNotDisturbOthers(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	stuckPort, rport := freePort(t), freePort(t)
	must(t, l.Apply(soon(t), expose("stuck", stuck(t).port, stuckPort)))
	must(t, l.Apply(soon(t), expose("free", serve(t, echo).port, rport)))
	for range 100 {
		conn := dial(t, "127.0.0.1", stuckPort)
		go func() { _, _ = conn.Write(make([]byte, 64<<10)) }() // ends with the connection
	}
	eventually(t, "a hundred connections", func() bool { return l.Traffic("stuck").Open == 100 })
	began := time.Now()
	for range 10 {
		talk(t, dial(t, "127.0.0.1", rport), "hello\n")
		must(t, l.Keepalive(soon(t)))
		must(t, l.Prove(soon(t), "free"))
		must(t, l.Prove(soon(t), "stuck"))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestTooManyConnectionsAreRefused, counted, and give their places back.
func TestTooManyConnectionsAreRefused(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	lport := freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", stuck(t).port)))
	conns := make([]*net.TCPConn, 512)
	for i := range conns {
		conns[i] = dial(t, "127.0.0.1", lport)
	}
	eventually(t, "all places are taken", func() bool { return l.Traffic("r").Open == len(conns) })
	over, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", lport))
	if err == nil {
		defer over.Close()
		must(t, over.SetDeadline(time.Now().Add(10*time.Second)))
		if _, err := over.Read(make([]byte, 1)); err == nil {
			t.Error("one more was served")
		}
	}
	if n := l.Traffic("r").Refused; n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	must(t, l.Prove(soon(t), "r")) // not counted among them
	for _, c := range conns {
		c.SetLinger(0)
		c.Close()
	}
	eventually(t, "all places are free", func() bool { return l.Traffic("r").Open == 0 })
}

// TestMuteServer: every call returns by its deadline, a link that hears nothing for its patience ends, and nothing is
// left over (TestMain looks).
func TestMuteServer(t *testing.T) {
	s := start(t, sshtest.Options{Mute: true})
	l := open(t, config("127.0.0.1", s.Port()).WithWaits(10*time.Second, 3*time.Second))
	m := reach("r", freePort(t), "127.0.0.1", counting(t).port)
	must(t, l.Apply(soon(t), m)) // listens: nothing is asked
	calls := map[string]struct {
		call   func(context.Context) error
		reason tunnel.Reason
	}{
		"keepalive": {l.Keepalive, tunnel.ServerBusy},
		"apply":     {func(ctx context.Context) error { return l.Apply(ctx, expose("e", 1, freePort(t))) }, tunnel.ServerBusy},
		"target":    {func(ctx context.Context) error { return askTarget(l, ctx, "r") }, tunnel.ServerBusy},
		"open":      {func(ctx context.Context) error { _, err := l.Open(ctx, m, "127.0.0.1"); return err }, tunnel.ServerBusy},
	}
	for name, c := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		wantReason(t, c.call(ctx), c.reason)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s took %v", name, took)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantReason(t, l.Prove(ctx, "e"), tunnel.ServerBusy)
	wantReason(t, l.Withdraw(ctx, "e"), tunnel.ServerBusy)
	client := dial(t, "127.0.0.1", m.Local.Port)
	select {
	case <-l.gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the link did not end")
	}
	wantReason(t, l.stop(), tunnel.ServerBusy)
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("a client lives on")
	}
}

// TestMuteServerDoesNotHoldUpTheEnd: a link ends soon although its last requests stay unanswered.
func TestMuteServerDoesNotHoldUpTheEnd(t *testing.T) {
	hold := make(chan struct{})
	s := start(t, sshtest.Options{Hold: hold})
	t.Cleanup(func() { close(hold) }) // before the server waits for its handlers
	l := open(t, config("127.0.0.1", s.Port()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantReason(t, l.Apply(ctx, expose("e", 1, freePort(t))), tunnel.ServerBusy)
	began := time.Now()
	l.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestLateAnswerCounts: what the server grants after the caller gave up is there at the next call.
func TestLateAnswerCounts(t *testing.T) {
	hold := make(chan struct{})
	s := start(t, sshtest.Options{Hold: hold})
	l := open(t, config("127.0.0.1", s.Port()))
	m := expose("e", serve(t, echo).port, freePort(t))
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		wantReason(t, l.Apply(ctx, m), tunnel.ServerBusy)
		cancel()
	}
	close(hold)
	must(t, l.Apply(soon(t), m))
	must(t, l.Prove(soon(t), "e"))
}

// TestFloodOfChannelsIsRefused opens thousands of channels that nobody asked for; the link stands.
func TestFloodOfChannelsIsRefused(t *testing.T) {
	flood := make([]string, 5000)
	for i := range flood {
		flood[i] = "forwarded-tcpip"
	}
	s := start(t, sshtest.Options{Unasked: flood})
	l := open(t, config("127.0.0.1", s.Port()))
	eventually(t, "all are refused", func() bool { return s.Refused() == len(flood) })
	must(t, l.Keepalive(soon(t)))
}
