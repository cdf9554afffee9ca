package sshtunnel

import (
	"bytes"
	"net/netip"
	"sync"
	"time"
)

const (
	holdFor = time.Second // after the start of a proof nobody is held longer
	maxLate = 24          // nonces remembered of proofs that failed: eight rounds of three
)

// prover proves one remote port: it sends a nonce to that port through the server and recognises it when it comes back
// as a connection. It keeps what is under way, and what failed lately and may still come.
type prover struct {
	turn chan struct{} // holds one token: rounds of one port go one after the other

	mu      sync.Mutex
	round   *round
	late    [][]byte
	checked bool // both loopback addresses were asked since the port was given; guarded by turn
	partial bool // the last round found that the server has not the whole port; guarded by turn
}

// round is one proof under way, of one or several addresses of the same port.
type round struct {
	began   time.Time
	tickets []*ticket
	over    chan struct{} // closed when nobody needs to be held any more
	once    sync.Once
}

// ticket is the nonce sent to one address.
type ticket struct {
	host  string
	nonce []byte
	met   chan struct{} // closed when the nonce came back to us
	once  sync.Once
}

func newProver() *prover { return &prover{turn: make(chan struct{}, 1)} }

// begin makes a round for hosts known before anything of it is sent: its nonce may come back before the server has even
// confirmed the channel it was sent on.
func (p *prover) begin(hosts []string) *round {
	r := &round{began: time.Now(), over: make(chan struct{})}
	for _, h := range hosts {
		r.tickets = append(r.tickets, &ticket{host: h, nonce: newNonce(), met: make(chan struct{})})
	}
	p.mu.Lock()
	p.round = r
	p.mu.Unlock()
	return r
}

// finish ends r. Nonces that did not come back are remembered, so that they never reach the service.
func (p *prover) finish(r *round) {
	p.mu.Lock()
	p.round = nil
	for _, t := range r.tickets {
		if !t.came() {
			p.late = append(p.late, t.nonce)
		}
	}
	p.late = p.late[max(0, len(p.late)-maxLate):]
	p.mu.Unlock()
	r.release()
}

func (r *round) release() { r.once.Do(func() { close(r.over) }) }

func (t *ticket) came() bool {
	select {
	case <-t.met:
		return true
	default:
		return false
	}
}

// suspect reports whether a connection from that address may carry a nonce, and how long it may be held for that. Held
// are only connections from the server itself while a round is under way, and no longer than a second after its start;
// one that comes before the nonce can be back is only watched.
func (p *prover) suspect(from netip.Addr, minRTT func() time.Duration) (watch bool, hold time.Duration) {
	if !from.IsLoopback() {
		return false, 0
	}
	p.mu.Lock()
	r, late := p.round, len(p.late) > 0
	p.mu.Unlock()
	if r == nil {
		return late, 0
	}
	since := time.Since(r.began)
	if since < minRTT()*9/10 {
		return true, 0
	}
	return true, max(0, holdFor-since)
}

// under returns the channel that is closed when the present round needs nobody held any more.
func (p *prover) under() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round == nil {
		return noRound
	}
	return p.round.over
}

// noRound is the channel of no round: nobody needs to be held.
var noRound = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// judge says whether b is a nonce of ours (whole), may become one (maybe), or neither.
func (p *prover) judge(b []byte) (whole, maybe bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, nonce := range p.late {
		if mayBecome(b, nonce) {
			return len(b) == nonceLen, true
		}
	}
	if p.round == nil {
		return false, false
	}
	for _, t := range p.round.tickets {
		if mayBecome(b, t.nonce) {
			return len(b) == nonceLen, true
		}
	}
	return false, false
}

// meet notes that nonce came back; when all of the round have, nobody needs to be held any more.
func (p *prover) meet(nonce []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round == nil {
		return
	}
	all := true
	for _, t := range p.round.tickets {
		if bytes.Equal(t.nonce, nonce) {
			t.once.Do(func() { close(t.met) })
		}
		all = all && t.came()
	}
	if all {
		p.round.release()
	}
}
