package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The rhythm of a link.
const (
	cycle        = 10 * time.Second         // from proof to proof, from keepalive to keepalive
	patience     = 8 * time.Second          // for each answer
	honesty      = 19500 * time.Millisecond // at most for both: as long up may be wrong, less a moment to say so
	urgency      = 2 * time.Second          // from question to question while one is not answered well
	precedence   = 500 * time.Millisecond   // of a proof over a keepalive that is due with it: it may make that needless
	replaceAfter = time.Minute              // without an answer to a keepalive, a new link is made
)

// beats are when the periodic questions of all links are asked: a process that idles wakes up once for many of them, which
// takes a good part less of a processor. They are those on which the engine looks at its sockets, too.
const beats = 100 * time.Millisecond

// onBeat is the last beat up to t: what is asked for then is never late.
func onBeat(t time.Time) time.Time { return t.Add(-time.Duration(t.UnixNano() % int64(beats))) }

// errSuperseded ends a link that came when something else was wanted already.
var errSuperseded = errors.New("something else is wanted by now")

// crew are the carriers of one link, one for each mapping.
type crew struct {
	k        *keeper
	link     *guarded
	carriers map[*mapping]*carrier
	curious  bool // of those that start now, see carrier
}

func newCrew(k *keeper, l *guarded) *crew {
	return &crew{k: k, link: l, carriers: map[*mapping]*carrier{}, curious: k.standing.curiosity()}
}

// arrange withdraws what is no longer wanted, all at once, and then starts what is new: a port that passes from one
// mapping to another is free by then. Carriers of mappings that stay notice nothing. Once wanted ends no answer is waited
// for.
func (c *crew) arrange(ctx, wanted context.Context, entries []*mapping) {
	keep := make(map[*mapping]bool, len(entries))
	for _, m := range entries {
		keep[m] = true
	}
	var leaving sync.WaitGroup
	for m, ca := range c.carriers {
		if !keep[m] {
			delete(c.carriers, m)
			leaving.Go(func() { ca.leave(wanted) })
		}
	}
	leaving.Wait()
	for _, m := range entries {
		if c.carriers[m] == nil {
			c.carriers[m] = startCarrier(ctx, c.k, c.link, m, c.curious)
		}
	}
}

// end stops all and returns when they have.
func (c *crew) end() {
	for _, ca := range c.carriers {
		ca.alight()
	}
	for _, ca := range c.carriers {
		ca.end()
	}
}

// working is what tells an engine's link to those who work with it in a goroutine of their own, and end it when they return.
func working(work func(context.Context, Link) error) func(context.Context, Link) (leave func()) {
	return func(ctx context.Context, l Link) func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.End(work(ctx, l))
		}()
		return func() { <-done }
	}
}

// errLate is that an answer did not come in time.
var errLate = errors.New("no answer in time")

// sleepUntil waits until t and reports whether ctx still runs. Where t is past there is no timer, see chore.
func sleepUntil(ctx context.Context, t time.Time) bool {
	if d := time.Until(t); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
