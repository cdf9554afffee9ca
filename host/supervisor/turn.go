package supervisor

import (
	"context"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// turn is the place of one login in its server's budget.
type turn struct {
	b     *budget
	l     *ledger
	of    tunnel.Ref // the tunnel, zero for a check
	login login
	rank  int
	free  bool          // it costs nothing
	paid  bool          // what it cost is settled; guarded by the budget's mutex
	ready chan struct{} // closed when the login may be tried
	moved chan struct{} // poked while it waits, when next may say something else
}

// The ranks of those who wait, first come first served within each.
const (
	promising = iota // it worked once, or somebody has just changed something about it
	untried
	tried // and refused, most likely
)

// await waits until the login may be tried; late says that it would have to wait for refusals to be forgotten.
func (t *turn) await(ctx context.Context) (late bool, err error) {
	for {
		select {
		case <-t.ready:
			return false, nil
		case <-t.moved:
			if !t.next().IsZero() {
				return true, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (t *turn) proven() bool {
	_, ok := t.l.worked[t.login]
	return ok
}

// needs is what has to be left for t to be let in.
func (t *turn) needs() float64 {
	if t.rank == promising {
		return 1
	}
	return 1 + setAside
}

// next is when t is due at the latest, zero where it waits for others to log in and not for refusals to be forgotten.
func (t *turn) next() time.Time {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	t.l.count()
	at := slices.Index(t.l.queue, t)
	if at < 0 || t.l.left+float64(t.l.flying) >= mostRefused {
		return time.Time{}
	}
	return time.Now().Add(t.l.until(t.needs() + float64(at)))
}

// worked notes that the login was let in: it passes freely from now on, and so does everybody who logs in alike.
func (t *turn) worked() {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	if len(t.l.worked) >= maxLogins {
		clear(t.l.worked)
	}
	t.l.worked[t.login] = struct{}{}
	t.forgive()
	t.settle(false)
	for i := 0; i < len(t.l.queue); i++ { // those alike go first
		if q := t.l.queue[i]; q.login == t.login {
			t.l.queue = slices.Insert(slices.Delete(t.l.queue, i, i+1), 0, q)
		}
	}
	t.b.serve(t.l)
}

// end ends the turn, and gives it back if that was not done; why is how the attempt ended, zero where there was none or it
// was no failure. It is called once.
func (t *turn) end(why Failure) {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	refused := why.refusesLogin()
	if refused {
		delete(t.l.worked, t.login)
		t.deny(why)
	}
	t.over(refused)
}

// breakOff ends the turn of a login that was offered and not answered, because we went: unless it has worked before, it
// counts as refused. It is called once, in place of end.
func (t *turn) breakOff() {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	t.over(!t.free)
}

// over ends the turn and lets the next one in. Callers hold the mutex.
func (t *turn) over(refused bool) {
	t.settle(refused)
	t.b.serve(t.l)
	t.l.users--
	t.l.last = time.Now()
}

// offers reports whether we show what we log in with at a stage, to the server or to the proxy.
func offers(at Stage, via tunnel.Via) bool {
	return at == StageLogin || at == StageProxy && via.User != ""
}

// settle gives back what the turn did not cost. Callers hold the mutex.
func (t *turn) settle(refused bool) {
	if t.paid {
		return
	}
	t.paid = true
	waited := slices.Index(t.l.queue, t)
	t.l.count()
	switch {
	case waited >= 0:
		t.l.queue = slices.Delete(t.l.queue, waited, waited+1)
	case !t.free:
		t.l.flying--
		if !refused {
			t.l.left = min(mostRefused, t.l.left+1)
		}
	case refused:
		t.l.left = max(-mostRefused, t.l.left-1)
	}
}
