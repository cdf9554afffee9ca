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
	replaceAfter = time.Minute              // without an answer to a keepalive, a new link is made
)

// errSuperseded ends a link that came when something else was wanted already.
var errSuperseded = errors.New("something else is wanted by now")

// serve keeps the mappings of the link of n as they shall be until the link is gone or given up.
func (k *keeper) serve(ctx context.Context, n *line) error {
	wanted := false
	apart(func() { wanted = k.standing.linked(n.r.o.round, n.link) })
	if !wanted {
		return errSuperseded
	}
	ctx, cancel := context.WithCancel(ctx)
	crew := newCrew(k, n.link)
	defer crew.end()
	defer n.asking.end()
	defer cancel()
	n.asking.begin(ctx, n.pulse)
	for {
		apart(func() { crew.arrange(ctx, n.wanted, k.standing.entries()) })
		crew.curious = true // what comes to a link that stands was changed by somebody
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-n.retired:
			return errRetired
		case <-n.r.rearrange:
		}
	}
}

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

// end returns when all have ended, their context having ended before.
func (c *crew) end() {
	for _, ca := range c.carriers {
		ca.end()
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

// apart runs f in a goroutine of its own and waits for it. Who mostly sleeps and now and then does something so keeps the
// small stack that a sleeper needs: there are two such for each link that idles.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
