package sshtunnel

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	holdFor = time.Second     // after the server has answered a proof's question nobody is held longer
	maxLate = 40              // nonces remembered of proofs that failed: eight rounds of five
	lateFor = 2 * time.Minute // how long one may still come: a link that is silent for longer has been replaced
)

// prover proves one remote port: it sends a nonce to that port through the server and recognises it when it comes back
// as a connection. It keeps what is under way, and what failed lately and may still come.
type prover struct {
	turn     chan struct{} // holds one token: rounds of one port go one after the other
	crossing *Crossing
	server   string // the fingerprint of its host key
	port     int
	label    string // of the mapping, OWNER/NAME/MAPPING

	mu    sync.Mutex
	round *round
	late  []*ticket
	bound tunnel.Bound // where the port is offered, as far as was measured

	// Guarded by turn.
	checked bool           // all addresses were asked since the port was given
	partial bool           // the last round found that the server has not the whole port
	mute    map[string]int // how often an address beside loopback gave no answer; nil where all did
	amiss   *Failure       // the port is offered otherwise than declared
}

// round is one proof under way, of one or several addresses of the same port.
type round struct {
	began    time.Time
	answered time.Time // when the server had opened or refused the first connection that is to carry a nonce; zero before
	tickets  []*ticket
	over     chan struct{} // closed when nobody needs to be held any more
	once     sync.Once
	strays   int           // of which nobody knows yet
	known    chan struct{} // closed when there are none any more; nil before the first
}

// stray is a connection that goes to the service though it may be a proof's: on a slow link the nonce may come on it later
// than anybody can be held for.
type stray struct {
	of   *prover
	r    *round
	once sync.Once
}

// ticket is the nonce sent to one address.
type ticket struct {
	host  string
	outer netip.Addr // the address asked, if it is none of loopback: the nonce may come from there then
	nonce []byte
	made  time.Time
	met   chan struct{} // closed when the nonce came back to us
	once  sync.Once

	unsent bool // the server refused the connection that was to carry it; set before the round is over, read after
}

func newTicket(host string) *ticket {
	t := &ticket{host: host, nonce: newNonce(), made: time.Now(), met: make(chan struct{})}
	if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() {
		t.outer = a.Unmap()
	}
	return t
}

// newProver makes the prover of a port of a server for the mapping that label names.
func newProver(c *Crossing, server string, port int, label string) *prover {
	return &prover{
		turn: make(chan struct{}, 1), crossing: c, server: server, port: port, label: label,
		bound: tunnel.BoundUnknown,
	}
}

// offered is where the port is offered, as far as was measured.
func (p *prover) offered() tunnel.Bound {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bound
}

// offers notes where the port is offered, and what is amiss with that.
func (p *prover) offers(b tunnel.Bound, amiss *Failure) {
	p.mu.Lock()
	p.bound = b
	p.mu.Unlock()
	p.amiss = amiss
}

// begin makes a round for hosts known before anything of it is sent: its nonce may come back before the server has even
// confirmed the channel it was sent on. A round that asks more than localhost looks for strangers, and tells the process's
// other links, which may be one.
func (p *prover) begin(hosts []string) *round {
	r := &round{began: time.Now(), over: make(chan struct{})}
	for _, h := range hosts {
		t := newTicket(h)
		r.tickets = append(r.tickets, t)
		if len(hosts) > 1 {
			p.crossing.send(p.port, t.nonce, p, false)
		}
	}
	p.mu.Lock()
	p.round = r
	p.mu.Unlock()
	return r
}

// finish ends r. Nonces that were sent and did not come back are remembered, so that they never reach the service.
func (p *prover) finish(r *round) {
	p.mu.Lock()
	p.round = nil
	for _, t := range r.tickets {
		if !t.unsent && !t.came() {
			p.late = append(p.late, t)
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
// are only connections from the server itself while a round is under way, and no longer than a second after the server has
// answered its first question: a server that stood still takes up all at once. One that comes before the nonce can be back is
// only watched; any other that the present round's nonce may come on is a stray until it is known.
func (p *prover) suspect(from netip.Addr, minRTT func() time.Duration) (watch bool, hold time.Duration, s *stray) {
	p.mu.Lock()
	r, answered := p.round, time.Time{}
	if r != nil {
		answered = r.answered
	}
	watch = slices.ContainsFunc(p.late, func(t *ticket) bool { return t.mayComeYet() && t.mayComeFrom(from) })
	p.mu.Unlock()
	if from.IsLoopback() {
		w, h := p.crossing.awaits(p.port, p)
		watch, hold = watch || w, max(hold, h)
	}
	if r == nil || !slices.ContainsFunc(r.tickets, func(t *ticket) bool { return t.mayComeFrom(from) }) {
		return watch, hold, nil
	}
	if time.Since(r.began) < minRTT()*9/10 {
		return true, hold, nil
	}
	s = p.stray(r)
	switch {
	case !r.holds(from):
		return true, hold, s
	case answered.IsZero():
		return true, holdFor, s
	}
	return true, max(hold, holdFor-time.Since(answered)), s
}

// stray notes one more of r.
func (p *prover) stray(r *round) *stray {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.strays == 0 {
		r.known = make(chan struct{})
	}
	r.strays++
	return &stray{of: p, r: r}
}

// isKnown notes that it is the proof's, or surely not. A nil stray always was.
func (s *stray) isKnown() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		s.of.mu.Lock()
		defer s.of.mu.Unlock()
		if s.r.strays--; s.r.strays == 0 {
			close(s.r.known)
		}
	})
}

// noStrays returns the channel that is closed once all of the present round are known.
func (p *prover) noStrays() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round == nil || p.round.strays == 0 {
		return closedBefore
	}
	return p.round.known
}

// isAnswered notes that the server has answered a question of the present round.
func (p *prover) isAnswered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round != nil && p.round.answered.IsZero() {
		p.round.answered = time.Now()
	}
}

// mayComeYet reports whether the ticket's nonce is still under way, as far as anybody can tell.
func (t *ticket) mayComeYet() bool { return !t.came() && time.Since(t.made) < lateFor }

// mayComeFrom reports whether the ticket's nonce may come in a connection from there: from the server itself, and where
// its outer address was asked, by way of whatever translates addresses there.
func (t *ticket) mayComeFrom(from netip.Addr) bool {
	return from.IsLoopback() || t.outer.IsValid() && from.IsValid()
}

// holds reports whether a connection from there waits for the round's nonces: others than the server's own do not.
func (r *round) holds(from netip.Addr) bool {
	return from.IsLoopback() || slices.ContainsFunc(r.tickets, func(t *ticket) bool { return t.outer == from })
}

// under returns the channel that is closed when the present round needs nobody held any more.
func (p *prover) under() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round != nil {
		return p.round.over
	}
	if over := p.crossing.under(p.port, p); over != nil {
		return over
	}
	return closedBefore
}

// judge says whether b is a nonce of ours (whole), may become one (maybe), or neither.
func (p *prover) judge(b []byte) (whole, maybe bool) {
	p.mu.Lock()
	all := p.late
	if p.round != nil {
		all = slices.Concat(all, p.round.tickets)
	}
	p.mu.Unlock()
	for _, t := range all {
		if mayBecome(b, t.nonce) {
			return len(b) == nonceLen, true
		}
	}
	return p.crossing.judge(p.port, p, b)
}

// meet notes that nonce came here; when all of the round have, nobody needs to be held any more.
func (p *prover) meet(nonce []byte) {
	p.crossing.meet(p.port, nonce, p)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.late {
		t.meet(nonce)
	}
	if p.round == nil {
		return
	}
	all := true
	for _, t := range p.round.tickets {
		t.meet(nonce)
		all = all && t.came()
	}
	if all {
		p.round.release()
	}
}

// meet notes that nonce came, if it is the ticket's.
func (t *ticket) meet(nonce []byte) {
	if bytes.Equal(t.nonce, nonce) {
		t.once.Do(func() { close(t.met) })
	}
}
