package sshtunnel

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhoIsHeldAndForHowLong walks through one proof on a link of 200 ms: who comes when, and what happens to them.
func TestWhoIsHeldAndForHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProver(nil, "", 9100, "")
		rtt := func() time.Duration { return 200 * time.Millisecond }
		here, v6, there := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("192.0.2.1")
		expect := func(when string, from netip.Addr, wantWatch bool, wantHold time.Duration) {
			t.Helper()
			if watch, hold, _ := p.suspect(from, rtt); watch != wantWatch || hold != wantHold {
				t.Errorf("%s, from %s: watched %v, held %v; want %v, %v", when, from, watch, hold, wantWatch, wantHold)
			}
		}
		expect("before any proof", here, false, 0)
		r := p.begin([]string{"localhost"})
		expect("at once: the nonce cannot be back", here, true, 0)
		time.Sleep(179 * time.Millisecond)
		expect("just before it can", v6, true, 0)
		time.Sleep(time.Millisecond)
		expect("from then on", here, true, holdFor)
		expect("from then on", v6, true, holdFor)
		expect("from then on", there, false, 0)
		expect("from then on", netip.Addr{}, false, 0)
		time.Sleep(5 * time.Second)
		expect("while the server says nothing", here, true, holdFor)
		p.isAnswered()
		time.Sleep(180 * time.Millisecond)
		p.isAnswered()
		expect("when it has answered", here, true, 820*time.Millisecond)
		time.Sleep(820 * time.Millisecond)
		expect("a second after that", here, true, 0)
		p.meet(r.tickets[0].nonce)
		p.finish(r)
		expect("after a proof that held", here, false, 0)
		p.finish(p.begin([]string{"localhost", "127.0.0.1", "::1"}))
		expect("after one that did not: its nonces may come", here, true, 0)
		expect("after one that did not", there, false, 0)
		time.Sleep(lateFor)
		expect("when they are too old to come", here, false, 0)
		r = p.begin([]string{"localhost", "127.66.77.88"})
		r.tickets[1].unsent = true
		p.meet(r.tickets[0].nonce)
		p.finish(r)
		expect("after one of which a question was refused", here, false, 0)
		r = p.begin([]string{"localhost"})
		p.finish(r)
		p.meet(r.tickets[0].nonce)
		expect("after one that came late", here, false, 0)
		for range 100 {
			p.finish(p.begin([]string{"localhost", "127.0.0.1", "::1"}))
		}
		if len(p.late) != maxLate {
			t.Errorf("%d nonces are remembered, want %d", len(p.late), maxLate)
		}
	})
}

// TestMinRTTIsMeasured on a real connection after one exchange.
func TestMinRTTIsMeasured(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := newSocket(c.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	if rtt := s.minRTT(); rtt <= 0 || rtt > time.Second {
		t.Errorf("measured %v on loopback", rtt)
	}
	c.Close()
	if rtt := s.minRTT(); rtt != 0 {
		t.Errorf("measured %v on a closed connection", rtt)
	}
}
