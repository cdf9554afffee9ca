package sshtunnel

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCrossingHoldsOnlyAtOneServer: a nonce of another link is recognised wherever its port is, and waited for only where
// it can come.
func TestCrossingHoldsOnlyAtOneServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrossing()
		asker := newProver(c, "SHA256:a", 9100, "x/one/e")
		same, other := newProver(c, "SHA256:a", 9100, "x/two/e"), newProver(c, "SHA256:b", 9100, "x/three/e")
		nonce := newNonce()
		c.send(9100, nonce, asker, true)
		expect := func(when string, p *prover, port int, wantWatch bool, wantHold time.Duration) {
			t.Helper()
			watch, hold := c.awaits(port, p)
			whole, _ := c.judge(port, p, nonce)
			if watch != wantWatch || whole != wantWatch || hold != wantHold {
				t.Errorf("%s: watched %v, known %v, held %v; want %v, %v", when, watch, whole, hold, wantWatch, wantHold)
			}
		}
		expect("the same server", same, 9100, true, holdFor)
		expect("another server", other, 9100, true, 0)
		expect("its maker", asker, 9100, false, 0)
		expect("another port", same, 9101, false, 0)
		time.Sleep(holdFor / 4)
		expect("later", same, 9100, true, holdFor*3/4)
		c.settle(9100, nonce)
		expect("settled", same, 9100, true, 0)
		if c.under(9100, same) != nil {
			t.Error("somebody is waited for")
		}
		c.meet(9100, nonce, same)
		if at := c.where(9100, nonce); at != same {
			t.Errorf("it came to %+v", at)
		}
		time.Sleep(crossedFor + time.Second)
		expect("too old", same, 9100, false, 0)
		if len(c.ports) != 0 {
			t.Errorf("%d ports are remembered", len(c.ports))
		}
	})
}

// TestCrossingFindsRoom: what is too old to come makes room, also at ports that nobody asks about any more.
func TestCrossingFindsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrossing()
		p, other := newProver(c, "SHA256:a", 1, "x/one/e"), newProver(c, "SHA256:a", 1, "x/two/e")
		for port := range maxCrossing {
			c.send(port, newNonce(), p, false)
		}
		time.Sleep(crossedFor + time.Second)
		nonce := newNonce()
		c.send(maxCrossing, nonce, p, false)
		if whole, _ := c.judge(maxCrossing, other, nonce); !whole {
			t.Error("the nonce is not known")
		}
		if len(c.ports) != 1 {
			t.Errorf("%d ports are remembered, want 1", len(c.ports))
		}
	})
}

// TestCrossingIsBounded in ports and in nonces of each.
func TestCrossingIsBounded(t *testing.T) {
	c := NewCrossing()
	p := newProver(c, "", 1, "")
	for range 1000 {
		c.send(1, newNonce(), p, true)
	}
	for port := range 10 * maxCrossing {
		c.send(port, newNonce(), p, false)
	}
	if len(c.ports) != maxCrossing || len(c.ports[1]) != maxCrossed {
		t.Errorf("%d ports, %d nonces of one", len(c.ports), len(c.ports[1]))
	}
}
