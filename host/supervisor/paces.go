package supervisor

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxPaces bounds what is remembered of tunnels that went.
const maxPaces = 1024

// paces remembers how the attempts of tunnels that went followed each other, for those that come back: a module that
// withdraws a tunnel and declares it again, or another in its place, changes nothing about a server that cannot be
// reached, and nothing about a password that was refused. What a person orders is tried at once all the same.
//
// What one module's tunnels met holds no other's: over all of them the budget guards the server.
type paces struct {
	mu      sync.Mutex
	left    map[attempts]*pausing
	courses map[attempts]map[*course]struct{} // of rounds that are under way
}

// attempts are those that may be expected to end alike: of one module as a person has configured it last, to one server on
// one way, with one login, for one host key.
type attempts [sha256.Size]byte

func attemptsOf(w tunnel.Wanted, c tunnel.Credential) attempts {
	t := w.Tunnel
	return attempts(sha256.Sum256(fmt.Appendf(nil, "%q %d %q %q %q %q %x",
		t.Ref.Owner, w.Revision, scopeOf(t.Server, t.Via), t.LAN, t.Pin.Fingerprint, t.Fingerprint, loginOf(t.Server, c))))
}

// pausing is how attempts stand after one that failed.
type pausing struct {
	pace  *retry.Policy
	err   error     // why it failed, a *failed
	until time.Time // when the next one is due
	worth time.Time // set by leave: when even the longest wait after such a failure would be over, and this means nothing
}

// login reports whether it is one after a login that was refused, as far as we know.
func (p *pausing) login() bool {
	c := class(p.err)
	return c == refused || c == severed
}

func newPaces() *paces {
	return &paces{left: map[attempts]*pausing{}, courses: map[attempts]map[*course]struct{}{}}
}

// leave remembers p, unless more is remembered.
func (b *paces) leave(a attempts, p *pausing) {
	p.worth = p.until.Add(longestPause)
	if p.login() {
		p.worth = p.until.Add(longestRefused)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep()
	if was := b.left[a]; was == nil || p.until.After(was.until) {
		b.left[a] = p
	}
}

// sweep forgets what means nothing any more, and the first to do so where too much is remembered. Callers hold b.mu.
func (b *paces) sweep() {
	now := time.Now()
	var first attempts
	for a, p := range b.left {
		if p.worth.Before(now) {
			delete(b.left, a)
		} else if f := b.left[first]; f == nil || p.worth.Before(f.worth) {
			first = a
		}
	}
	if len(b.left) >= maxPaces {
		delete(b.left, first)
	}
}

// none reports whether nothing is remembered, nor about to be.
func (b *paces) none() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.left) == 0 && len(b.courses) == 0
}

// of is what is remembered of a, the caller's own; nil where nothing is that means anything.
func (b *paces) of(a attempts) *pausing {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.left[a]
	if p == nil || p.worth.Before(time.Now()) {
		return nil
	}
	return &pausing{pace: p.pace.Clone(), err: p.err, until: p.until}
}

// forget forgets a: one of them worked, or a person has asked for one.
func (b *paces) forget(a attempts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.left, a)
}
