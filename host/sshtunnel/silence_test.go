package sshtunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// becomes waits until the peer of l is as wanted and returns how long that took.
func becomes(t *testing.T, l *running, want sshtunnel.Peer, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	late := time.After(within)
	turned := make(chan struct{}, 1)
	l.Watch(func() {
		select {
		case turned <- struct{}{}:
		default:
		}
	})
	for {
		now := l.Peer()
		if now == want {
			return time.Since(began)
		}
		select {
		case <-turned:
		case <-l.gone:
			t.Fatalf("the link ended: %v", l.stop())
		case <-late:
			t.Fatalf("peer is %d after %v, want %d", now, within, want)
		}
	}
}

// TestSilence cuts the path to real servers without a word. Its parts run side by side in a network of their own.
func TestSilence(t *testing.T) {
	sshdtest.Need(t)
	if !apart(t) {
		return
	}
	t.Run("a cut of 7 s is a doubt", func(t *testing.T) { t.Parallel(); testDoubt(t) })
	t.Run("a cut of 15 s, and the server wakes up", func(t *testing.T) { t.Parallel(); testWake(t) })
	t.Run("a cut of 15 s with data under way", func(t *testing.T) { t.Parallel(); testDataUnderWay(t) })
	t.Run("a retired link frees its port", func(t *testing.T) { t.Parallel(); testRetire(t) })
	t.Run("a silent link ends at once", func(t *testing.T) { t.Parallel(); testEndInSilence(t) })
}

// carrying is a link to a server of its own with an expose mapping through which a connection is open.
type carrying struct {
	*running
	config sshtunnel.Config
	m      tunnel.Mapping
	client net.Conn
	port   int // the server's
}

func carry(t *testing.T) *carrying {
	t.Helper()
	s, c := byKey(t, sshdtest.Options{})
	l := &carrying{running: open(t, c), config: c, port: s.Port}
	l.m = expose("e", serve(t, echo).port, freePort(t))
	must(t, l.Apply(soon(t), l.m))
	l.client = dial(t, "127.0.0.1", l.m.Remote.Port)
	talk(t, l.client, "before\n")
	return l
}

func testDoubt(t *testing.T) {
	l := carry(t)
	heal := cut(t, l.port)
	began := time.Now()
	t.Logf("doubted after %v", becomes(t, l.running, sshtunnel.PeerDoubted, 12*time.Second))
	time.Sleep(7*time.Second - time.Since(began))
	heal()
	t.Logf("heard again %v after the cut's end", becomes(t, l.running, sshtunnel.PeerAnswers, 4*time.Second))
	talk(t, l.client, "after\n")
}

// testWake has everybody want something from the silent server: nothing of it is sent, so that the path's return is
// noticed at once, and all of it works then.
func testWake(t *testing.T) {
	l := carry(t)
	local := dial(t, "127.0.0.1", l.m.Remote.Port)
	talk(t, local, "before\n")
	time.Sleep(100 * time.Millisecond) // until all is acknowledged
	heal := cut(t, l.port)
	began := time.Now()
	becomes(t, l.running, sshtunnel.PeerDoubted, 12*time.Second)
	sent := l.Sent()
	missed := make(chan error, 4)
	for _, call := range []func(context.Context) error{
		l.Keepalive,
		func(ctx context.Context) error { return l.Prove(ctx, "e") },
		func(ctx context.Context) error { return l.Apply(ctx, expose("more", 1, freePort(t))) },
	} {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			missed <- call(ctx)
		}()
	}
	notice := becomes(t, l.running, sshtunnel.PeerSilent, 15*time.Second)
	t.Logf("silent %v after the cut, %v after the doubt", time.Since(began), notice)
	for range 3 {
		wantReason(t, <-missed, tunnel.ServerBusy)
	}
	if now := l.Sent(); now != sent {
		t.Errorf("%d packets with data were sent to a peer that does not answer", now-sent)
	}
	time.Sleep(15*time.Second - time.Since(began))
	heal()
	healed := time.Now()
	t.Logf("heard again %v after the cut's end", becomes(t, l.running, sshtunnel.PeerAnswers, 6*time.Second))
	must(t, l.Wake(soon(t)))
	talk(t, l.client, "after\n")
	talk(t, local, "after\n")
	must(t, l.Prove(soon(t), "e"))
	t.Logf("all proved %v after the cut's end", time.Since(healed))
}

// testDataUnderWay: with data unacknowledged the kernel does not probe, and silence is noticed all the same.
func testDataUnderWay(t *testing.T) {
	l := carry(t)
	heal := cut(t, l.port)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	wantReason(t, l.Keepalive(ctx), tunnel.ServerBusy)
	becomes(t, l.running, sshtunnel.PeerSilent, 20*time.Second)
	t.Logf("silent %v after the cut", time.Since(began))
	time.Sleep(15*time.Second - time.Since(began))
	heal()
	within := 40 * time.Second
	if sshtunnel.HurriesData() {
		within = 6 * time.Second
	}
	t.Logf("heard again %v after the cut's end", becomes(t, l.running, sshtunnel.PeerAnswers, within))
	talk(t, l.client, "after\n")
}

// testRetire: everything of a link given up ends at once for its users; its server learns of it when the path is back.
func testRetire(t *testing.T) {
	l := carry(t)
	heal := cut(t, l.port)
	began := time.Now()
	becomes(t, l.running, sshtunnel.PeerSilent, 15*time.Second)
	asked := make(chan error, 1)
	go func() { asked <- l.Keepalive(t.Context()) }()
	l.Retire()
	retired := time.Now()
	<-l.running.ctx.Done()
	wantReason(t, <-asked, tunnel.LinkLost)
	wantReason(t, l.Prove(t.Context(), "e"), tunnel.LinkLost)
	wantReason(t, l.Wake(t.Context()), tunnel.LinkLost)
	if took := time.Since(retired); took > 2*time.Second {
		t.Errorf("ended for its users after %v", took)
	}
	select {
	case <-l.gone:
		t.Fatal("Run returned before the server knows")
	case <-time.After(max(0, 15*time.Second-time.Since(began))):
	}
	heal()
	healed := time.Now()
	next := open(t, l.config)
	for next.Apply(soon(t), l.m) != nil {
		if time.Since(healed) > time.Minute {
			t.Fatal("the port is held by the retired link")
		}
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(healed)
	t.Logf("the port is free %v after the cut's end", took)
	if sshtunnel.HurriesData() && took > 6*time.Second {
		t.Error("that is too late")
	}
	must(t, next.Prove(soon(t), "e"))
	promptly(t, "Run", l.gone)
	wantReason(t, l.stop(), tunnel.LinkLost)
	if n, err := l.client.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a connection of the retired link lives on")
	}
}

// testEndInSilence ends a link, and one that was retired, while nothing is heard.
func testEndInSilence(t *testing.T) {
	live, retired := carry(t), carry(t)
	cut(t, live.port)
	cut(t, retired.port)
	stuck := make(chan error, 1)
	becomes(t, live.running, sshtunnel.PeerSilent, 15*time.Second)
	go func() { _, err := io.WriteString(live.client, "into the void\n"); stuck <- err }()
	must(t, <-stuck)
	retired.Retire()
	for name, l := range map[string]*carrying{"live": live, "retired": retired} {
		began := time.Now()
		if err := l.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: Run returned after %v", name, took)
		}
	}
}
