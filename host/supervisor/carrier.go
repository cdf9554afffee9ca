package supervisor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How a mapping that failed is asked for again.
const (
	applyFirst  = 250 * time.Millisecond // our own last session may not have let go of the port yet
	applyMost   = 15 * time.Second
	targetAgain = 30 * time.Second
	moduleAgain = 2 * time.Second // a module's own socket: to try costs nobody anything
	busyAgain   = 2 * time.Second // nothing was learned about the target: it is opened when the server answers again
)

// carrier carries one mapping on one link: it makes it listen, proves it again and again and tells the standing. While
// the link stands the port may be held by somebody, who goes away some day: so it is asked for again and again too.
type carrier struct {
	k       *keeper
	link    *guarded
	branch  *branch // that link is of, nil where it is the main link
	m       *mapping
	curious bool // what the service behind says is asked for as soon as it answers: somebody changed something
	bound   bool // where its local port is bound was measured

	asking   chore
	asked    time.Time   // when it was last asked for
	failures int         // to make it listen, since it was last proved
	granted  bool        // as far as is known: it is proved, not asked for
	next     time.Time   // when that is due
	stirred  atomic.Bool // it is due now
	calm     bool        // the last proof leaves time to look after the target
	due      time.Time   // when that may be opened again

	alight context.CancelFunc // ends riding
	riding sync.WaitGroup     // on the second link, where the mapping belongs there
}

// startCarrier starts a carrier that works until ctx ends or it is told to leave.
func startCarrier(ctx context.Context, k *keeper, l *guarded, m *mapping, curious bool) *carrier {
	c := &carrier{k: k, link: l, m: m, curious: curious, alight: func() {}}
	if s := l.second; s != nil && onSecond(m.Mapping) {
		ctx, c.alight = context.WithCancel(ctx)
		c.riding.Go(func() { c.ride(ctx, s) })
		return c
	}
	c.begin(ctx)
	return c
}

// end stops the carrier. The mapping stays on the link.
func (c *carrier) end() {
	c.alight()
	c.riding.Wait()
	c.stop()
}

// leave stops the carrier and withdraws its mapping from the link.
func (c *carrier) leave(ctx context.Context) {
	c.end()
	c.withdraw(ctx)
}

// begin has the mapping carried on the carrier's link until ctx ends or stop.
func (c *carrier) begin(ctx context.Context) {
	c.failures, c.granted, c.next, c.calm = 0, false, time.Time{}, false
	c.k.standing.carries(c, true)
	c.asking.begin(ctx, c.work)
}

func (c *carrier) stop() {
	c.k.standing.carries(c, false)
	c.asking.end()
}

// stir has it ask again what it has asked before.
func (c *carrier) stir() {
	c.stirred.Store(true)
	c.asking.hurry()
}

// withdraw takes the mapping off the link.
func (c *carrier) withdraw(ctx context.Context) {
	c.k.standing.note(func() { c.m.withdrawn(c.link) })
	err, _ := c.link.put(ctx, c.link.patience(), func(ctx context.Context) error { return c.link.Withdraw(ctx, c.m.Name) })
	if err != nil && ctx.Err() == nil {
		c.k.log.Warn("withdraw a mapping", "mapping", c.m.Name, "error", err)
	}
}

// work does what is due and returns when there is more to do.
func (c *carrier) work(ctx context.Context) (next time.Time) {
	switch due := c.stirred.Swap(false) || !time.Now().Before(c.next); {
	case due && c.granted:
		c.prove(ctx)
	case due && c.forgone():
		return time.Time{}
	case due:
		c.apply(ctx)
	case c.calm && !c.answered():
		c.k.standing.note(func() {}) // a connection of others may have reached it
	}
	if c.calm && ctx.Err() == nil {
		return c.watch(ctx)
	}
	return c.next
}

// apply makes the mapping listen.
func (c *carrier) apply(ctx context.Context) {
	c.asked = time.Now()
	c.next = c.asked
	err := c.link.ask(ctx, c.link.patience(), func(ctx context.Context) error { return c.link.Apply(ctx, c.m.Mapping) })
	if err != nil {
		c.fail(ctx, err)
		return
	}
	c.k.standing.note(func() { c.m.applied = true })
	c.granted = true
}

// fail notes why the mapping does not listen, unless ctx has ended, and when it is asked for again.
func (c *carrier) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.listener(err)
	c.granted, c.calm = false, false
	c.next = c.asked.Add(doubled(applyFirst, applyMost, c.failures))
	c.failures++
}

// forgone reports whether the mapping is not asked for any more, and has that for its verdict.
func (c *carrier) forgone() bool {
	c.k.standing.mu.Lock()
	defer c.k.standing.mu.Unlock()
	if c.m.forgone == (Failure{}) {
		return false
	}
	c.m.listener = bad(c.m.forgone)
	c.k.standing.settle()
	return true
}

// prove asks for proof: in each cycle, at a quicker pace while there is none. When the port turned out to be another's, to
// be asked for anew, or open to more than was declared, not to be asked for again, the mapping is withdrawn.
func (c *carrier) prove(ctx context.Context) {
	asked := time.Now()
	good, calm, err := c.proveOnce(ctx)
	if good {
		c.failures = 0
	}
	if err != nil {
		c.fail(ctx, err)
		return
	}
	c.calm, c.next = calm, asked.Add(urgency)
	if calm {
		c.next = onBeat(asked.Add(c.link.cycle()))
	}
}

// proveOnce asks once for proof: good says that it held, calm that the next one is not urgent. After an error, that of ctx
// or why the mapping was withdrawn, there is none.
func (c *carrier) proveOnce(ctx context.Context) (good, calm bool, err error) {
	err = c.link.ask(ctx, c.link.patience(), c.proof)
	if ctx.Err() != nil {
		return false, false, ctx.Err()
	}
	v := c.listener(err)
	switch v.why.Reason {
	case tunnel.WiderThanDeclared:
		c.k.stir() // its port here is given up too
		c.withdraw(ctx)
		return false, false, err
	case tunnel.RemotePortHeld:
		c.withdraw(ctx)
		return false, false, err
	}
	return v.good(), v.good() || v.forbidden(), nil
}

// proof asks once whether the mapping's listeners lead to us: at the server, or here, the private socket and the port, as
// far as there are such.
func (c *carrier) proof(ctx context.Context) error {
	if err := c.branch.unanswered(); err != nil {
		return err
	}
	if c.m.Kind.Exposes() {
		err := c.link.Prove(ctx, c.m.Name)
		c.measured(c.link.Bound(c.m.Name))
		return err
	}
	if err := c.k.private.prove(ctx, c.m.Mapping); err != nil {
		return err
	}
	bound, err := c.k.ports.prove(ctx, c.m.Mapping, !c.bound)
	c.measured(bound)
	c.bound = err == nil
	return err
}

// measured notes who can connect to the mapping's port; "" is that it was not measured again.
func (c *carrier) measured(bound tunnel.Bound) {
	c.k.standing.mu.Lock()
	defer c.k.standing.mu.Unlock()
	if bound != "" && bound != c.m.measured {
		c.m.measured = bound
		c.k.standing.settle()
	}
}

// listener notes the answer to a proof, or why the mapping does not listen.
func (c *carrier) listener(err error) verdict {
	v := c.verdict(err)
	s := c.k.standing
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.why.Reason == tunnel.WiderThanDeclared {
		v.why = c.m.tooWide(v.why)
	}
	again := v.good() && c.m.listener.good()
	c.m.listener = v
	if v.good() && s.speaks(c.m) {
		c.m.provedAt = time.Now()
	}
	s.seen(again)
	return v
}

// watch looks after the target until the next proof, and returns when there is more to do: one that answered is left alone
// until a connection of others fails, one that did not is opened when that is due, and in between watched for connections
// of others that reach it.
func (c *carrier) watch(ctx context.Context) (next time.Time) {
	if !c.answered() && time.Now().Before(c.next) && !c.stirred.Load() {
		c.target(ctx)
	}
	if c.answered() {
		return c.next
	}
	return earliest(c.next, c.due, time.Now().Add(urgency))
}

func earliest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.Before(t) {
			t = o
		}
	}
	return t
}

// target opens the service behind the mapping, unless it was opened lately or the server in between does not answer.
func (c *carrier) target(ctx context.Context) {
	if time.Now().Before(c.due) {
		return
	}
	if c.m.Kind.Reaches() && c.unanswered() {
		c.due = time.Now().Add(busyAgain)
		return
	}
	c.due = time.Now().Add(targetAgain)
	if c.m.Kind.Exposes() && c.m.Private() {
		c.due = time.Now().Add(moduleAgain)
	}
	heard, taken := "", false
	err := c.link.ask(ctx, c.link.patience(), func(ctx context.Context) (err error) {
		taken = false
		heard, err = c.link.Target(ctx, c.m.Name, c.listens(&taken))
		return err
	})
	switch {
	case ctx.Err() != nil:
	case taken: // and the verdict was given then
		c.curious = false
		c.k.standing.note(func() { c.m.heard = heard })
	case err == nil:
		c.opened()
	default:
		v := c.verdict(err)
		if v.why.Reason == tunnel.ServerBusy {
			c.due = time.Now().Add(busyAgain)
		}
		c.k.standing.note(func() { c.m.target = v })
	}
}

// unanswered reports whether the server does not answer on the link that the mapping is on.
func (c *carrier) unanswered() bool {
	if c.branch != nil {
		return c.branch.unanswered() != nil
	}
	return c.k.standing.unanswered()
}

// listens is what a question has to call once the service is open, nil where what that says is not asked for. The verdict
// does not wait for what it says: one that says nothing would keep everybody waiting.
func (c *carrier) listens(taken *bool) func() {
	if !c.curious {
		return nil
	}
	return func() {
		*taken = true
		c.opened()
	}
}

// opened notes that the service behind the mapping has taken a connection.
func (c *carrier) opened() {
	c.k.standing.note(func() { c.m.target, c.m.targetProvedAt = verdict{given: true}, time.Now() })
}

// answered reports whether the service behind the mapping is known to answer.
func (c *carrier) answered() bool {
	c.k.standing.mu.Lock()
	defer c.k.standing.mu.Unlock()
	return c.m.target.good()
}

// verdict is the answer that err gives. That none came in time says nothing of what was asked about, unless the engine
// knows better: the server is busy.
func (c *carrier) verdict(err error) verdict {
	switch err {
	case nil:
		return verdict{given: true}
	case errLate:
		return bad(late(c.link.patience()))
	}
	return bad(c.k.named(failure(c.k.config.Engine, err)))
}
