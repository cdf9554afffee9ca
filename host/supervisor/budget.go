package supervisor

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What refused logins a server is shown. It counts them against the address they come from, which is that of all
// tunnels (PerSourcePenalties, fail2ban): in any ten minutes it sees at most six of logins that never worked there.
const (
	mostRefused  = 3.0               // at once
	refusedEvery = 200 * time.Second // and one more each time this has passed
	setAside     = 0.5               // of which so much is kept for a login that promises to work
	maxLogins    = 4096              // are remembered of one server
	worthFor     = time.Hour         // after the last of them is gone, logins that worked are remembered
)

// budget bounds the refused logins at each server, over all tunnels. Each login that has not worked there yet takes its
// turn; one that has passes freely, whatever others do.
type budget struct {
	mu      sync.Mutex
	ledgers map[string]*ledger
}

// login is who logs in and with what; it tells secrets apart and gives none away.
type login [sha256.Size]byte

func loginOf(s tunnel.Server, c tunnel.Credential) login {
	h := sha256.New()
	for _, part := range []string{s.User, string(c.Login), c.Password.Reveal(), c.PrivateKey.Reveal(), c.Via.Reveal()} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return login(h.Sum(nil))
}

// ledger is what one server has seen of us. Its budget's mutex guards it.
type ledger struct {
	worked map[login]struct{}
	denied map[tunnel.Ref]denial
	left   float64   // refusals that it may still be shown, as of then
	then   time.Time // when left was counted
	flying int       // turns that may cost one and are not over
	queue  []*turn
	again  *time.Timer // set while somebody waits
	users  int         // turns that have not ended, links that they led to included
	last   time.Time   // when one last ended
}

func newBudget() *budget { return &budget{ledgers: map[string]*ledger{}} }

// scopeOf is where refusals are counted together. A proxy has an address of its own.
func scopeOf(s tunnel.Server, v tunnel.Via) string {
	return strings.ToLower(tunnel.ScopeRemote(s) + " " + v.String())
}

// apply asks for a turn at a server, for a tunnel or, where of is zero, a check. Its ready is closed when the login may be
// tried, which is at once for most; whoever no longer waits, and whoever has tried, calls end.
func (b *budget) apply(scope string, of tunnel.Ref, who login, rank int) *turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.ledgers[scope]
	if l == nil {
		b.sweep()
		l = &ledger{worked: map[login]struct{}{}, denied: map[tunnel.Ref]denial{}, left: mostRefused, then: time.Now()}
		b.ledgers[scope] = l
	}
	l.users++
	t := &turn{b: b, l: l, of: of, login: who, rank: rank, ready: make(chan struct{}), moved: make(chan struct{}, 1)}
	if _, t.free = l.worked[who]; t.free {
		close(t.ready)
		return t
	}
	at := slices.IndexFunc(l.queue, func(other *turn) bool { return other.rank > rank })
	if at < 0 {
		at = len(l.queue)
	}
	l.queue = slices.Insert(l.queue, at, t)
	b.serve(l)
	return t
}

// sweep forgets the servers of which nothing is to be remembered: no refusal any more, and no login that works. Callers
// hold b.mu.
func (b *budget) sweep() {
	for scope, l := range b.ledgers {
		if l.count(); l.users == 0 && l.left >= mostRefused && (len(l.worked) == 0 || time.Since(l.last) >= worthFor) {
			delete(b.ledgers, scope)
		}
	}
}

// serve lets in whoever can be now and comes back when the next one can. Callers hold b.mu.
func (b *budget) serve(l *ledger) {
	l.count()
	for len(l.queue) > 0 && (l.queue[0].proven() || l.left >= l.queue[0].needs()) {
		t := l.queue[0]
		l.queue = l.queue[1:]
		if t.free = t.proven(); !t.free {
			l.left--
			l.flying++
		}
		close(t.ready)
	}
	l.stir()
	if l.again != nil {
		l.again.Stop()
		l.again = nil
	}
	if len(l.queue) > 0 {
		l.again = time.AfterFunc(l.until(l.queue[0].needs()), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.serve(l)
		})
	}
}

// stir has all who wait look again at what they say. Callers hold the budget's mutex.
func (l *ledger) stir() {
	for _, t := range l.queue {
		poke(t.moved)
	}
}

// count adds what has come in since it was last counted.
func (l *ledger) count() {
	now := time.Now()
	l.left = min(mostRefused, l.left+float64(now.Sub(l.then))/float64(refusedEvery))
	l.then = now
}

// until is how long it takes until so much is left, if nothing else is spent.
func (l *ledger) until(much float64) time.Duration {
	return max(time.Millisecond, time.Duration((much-l.left)*float64(refusedEvery))+time.Millisecond)
}
