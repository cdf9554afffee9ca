package sshtunnel

import (
	"slices"
	"sync"
	"time"
)

// Crossing is where the links of one process recognise each other's nonces: when two tunnels of this PBX meet at one
// remote port, the one that has it swallows what the other sends there, and the other learns who it is. One value is
// shared by all Runs; it is safe for concurrent use, and bounded.
type Crossing struct {
	mu    sync.Mutex
	ports map[int][]*crossed
	swept time.Time // when room was made the last time
}

// crossed is a nonce that one mapping has sent to a port, and where it came out.
type crossed struct {
	from  *prover
	nonce []byte
	began time.Time
	wait  chan struct{} // while it is not closed connections to the port wait, as they do for a link's own proofs
	at    *prover       // that of the mapping it came to, nil while it has not
}

const (
	maxCrossed  = 32               // nonces remembered of one port
	crossedFor  = 30 * time.Second // how long one may be under way
	maxCrossing = 4096             // ports with nonces under way
)

// NewCrossing makes a Crossing for the Runs of one process.
func NewCrossing() *Crossing { return &Crossing{ports: map[int][]*crossed{}} }

// send notes that from is about to send nonce to port. With holds, connections to that port wait a moment for it.
func (c *Crossing) send(port int, nonce []byte, from *prover, holds bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked(port)
	all := c.ports[port]
	if len(all) == 0 && len(c.ports) >= maxCrossing {
		c.sweepLocked()
	}
	if len(all) == 0 && len(c.ports) >= maxCrossing {
		return
	}
	x := &crossed{from: from, nonce: nonce, began: time.Now(), wait: make(chan struct{})}
	if !holds {
		close(x.wait)
	}
	all = append(all, x)
	c.ports[port] = all[max(0, len(all)-maxCrossed):]
}

// sweepLocked makes room, once a second at most.
func (c *Crossing) sweepLocked() {
	if time.Since(c.swept) < time.Second {
		return
	}
	c.swept = time.Now()
	for port := range c.ports {
		c.expireLocked(port)
	}
}

// expireLocked forgets what is too old to come.
func (c *Crossing) expireLocked(port int) {
	left := slices.DeleteFunc(c.ports[port], func(x *crossed) bool { return time.Since(x.began) > crossedFor })
	if len(left) == 0 {
		delete(c.ports, port)
		return
	}
	c.ports[port] = left
}

// settle ends the waiting for nonce, which may still come.
func (c *Crossing) settle(port int, nonce []byte) {
	c.each(port, nil, func(x *crossed) {
		if string(x.nonce) == string(nonce) && !isClosed(x.wait) {
			close(x.wait)
		}
	})
}

// each calls f for the nonces that others than self have sent to port.
func (c *Crossing) each(port int, self *prover, f func(*crossed)) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked(port)
	for _, x := range c.ports[port] {
		if x.from != self || self == nil {
			f(x)
		}
	}
}

// awaits reports whether a nonce of another link than self's may come to port, and how long to hold for it: only where
// both links lead to one server, by its host key. Others are watched all the same, because a server may show several.
func (c *Crossing) awaits(port int, self *prover) (watch bool, hold time.Duration) {
	c.each(port, self, func(x *crossed) {
		watch = true
		if x.from.server == self.server && !isClosed(x.wait) {
			hold = max(hold, holdFor-time.Since(x.began))
		}
	})
	return watch, hold
}

// under returns a channel that is closed when nobody needs to wait for a nonce of another link, nil where none is awaited.
func (c *Crossing) under(port int, self *prover) (over <-chan struct{}) {
	c.each(port, self, func(x *crossed) {
		if x.from.server == self.server && !isClosed(x.wait) {
			over = x.wait
		}
	})
	return over
}

// judge says whether b is a nonce that another link has sent to port (whole), or may become one (maybe).
func (c *Crossing) judge(port int, self *prover, b []byte) (whole, maybe bool) {
	c.each(port, self, func(x *crossed) {
		if mayBecome(b, x.nonce) {
			whole, maybe = len(b) == nonceLen, true
		}
	})
	return whole, maybe
}

// meet notes that nonce came to at.
func (c *Crossing) meet(port int, nonce []byte, at *prover) {
	c.each(port, nil, func(x *crossed) {
		if string(x.nonce) == string(nonce) {
			x.at = at
		}
	})
}

// where returns the prover of the mapping that nonce came to, nil if it did not.
func (c *Crossing) where(port int, nonce []byte) (at *prover) {
	c.each(port, nil, func(x *crossed) {
		if string(x.nonce) == string(nonce) {
			at = x.at
		}
	})
	return at
}
