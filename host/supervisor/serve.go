package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rhythm of a link.
const (
	cycle        = 10 * time.Second // from proof to proof, from keepalive to keepalive
	patience     = 8 * time.Second  // for each answer
	urgency      = 2 * time.Second  // from question to question while one is not answered well
	replaceAfter = time.Minute      // without an answer to a keepalive, a new link is made
)

// errSilent ends a link whose server did not answer for too long.
var errSilent = errors.New("the server does not answer")

// errSuperseded ends a link that came when something else was wanted already.
var errSuperseded = errors.New("something else is wanted by now")

// serve keeps the mappings of a link for o as they shall be until the link is gone. It calls settled when the server has
// answered the first question, or has not.
func (k *keeper) serve(ctx context.Context, o order, l Link, settled func(), rearrange <-chan struct{}) error {
	if !k.standing.linked(o.round, l) {
		return errSuperseded
	}
	ctx, cancel := context.WithCancelCause(ctx)
	crew := &crew{k: k, link: l, carriers: map[*mapping]*carrier{}}
	defer crew.wait()
	defer cancel(nil)
	crew.pulse.Go(func() {
		if err := k.pulse(ctx, l, settled); err != nil {
			cancel(err)
		}
	})
	for {
		crew.arrange(ctx, k.standing.entries())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-rearrange:
		}
	}
}

// crew are the goroutines of one link: its pulse and a carrier for each mapping.
type crew struct {
	k        *keeper
	link     Link
	carriers map[*mapping]*carrier
	pulse    sync.WaitGroup
}

// arrange withdraws what is no longer wanted, all at once, and then starts what is new: a port that passes from one
// mapping to another is free by then. Carriers of mappings that stay notice nothing.
func (c *crew) arrange(ctx context.Context, entries []*mapping) {
	keep := make(map[*mapping]bool, len(entries))
	for _, m := range entries {
		keep[m] = true
	}
	var leaving sync.WaitGroup
	for m, ca := range c.carriers {
		if !keep[m] {
			delete(c.carriers, m)
			leaving.Go(func() { ca.leave(ctx) })
		}
	}
	leaving.Wait()
	for _, m := range entries {
		if c.carriers[m] == nil {
			c.carriers[m] = startCarrier(ctx, c.k, c.link, m)
		}
	}
}

// wait waits until all have ended, their context having ended before.
func (c *crew) wait() {
	for _, ca := range c.carriers {
		<-ca.ended
	}
	c.pulse.Wait()
}

// pulse asks the server for a sign of life in each cycle until ctx ends, or until there was none for so long that the
// link must be replaced. It calls settled after the first question.
func (k *keeper) pulse(ctx context.Context, l Link, settled func()) error {
	var silent time.Time // when the first question was asked that is not answered
	for {
		asked, limit, pause := time.Now(), patience, cycle
		if !silent.IsZero() {
			limit = min(limit, time.Until(silent.Add(replaceAfter)))
		}
		err := k.ask(ctx, limit, l.Keepalive)
		settled()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			silent = time.Time{}
			k.standing.keepalive(Failure{})
		case silent.IsZero():
			silent, pause = asked, urgency
			k.standing.keepalive(busy())
		case time.Since(silent) >= replaceAfter:
			return errSilent
		default:
			pause = urgency
		}
		if !sleepUntil(ctx, asked.Add(pause)) {
			return nil
		}
	}
}

// busy is said of a server that keeps the connection but does not answer.
func busy() Failure {
	return Failure{
		Reason:  tunnel.ServerBusy,
		Message: fmt.Sprintf("the server keeps the connection but has not answered for %s", patience),
		Remedy:  "a name server that is silent stops sshd: give targets by address, and look at the server's resolver",
	}
}

// errLate is that an answer did not come in time.
var errLate = errors.New("no answer in time")

// late is why a question was not answered in time, where nobody knows better.
func late(limit time.Duration) Failure {
	return Failure{
		Reason: tunnel.ServerBusy, Message: fmt.Sprintf("the server has not answered within %s", limit), Remedy: busy().Remedy,
	}
}

// ask puts a question about the link with a deadline. An answer that did not come in time, and for which the engine
// knows no better reason, is errLate. One that says that the link is gone is held back for a moment, in which ctx ends
// and says so for all.
func (k *keeper) ask(ctx context.Context, limit time.Duration, question func(context.Context) error) error {
	asking, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	err := question(asking)
	if err == nil {
		return nil
	}
	switch failure(k.config.Engine, err).Reason {
	case "":
		if context.Cause(asking) == errLate {
			return errLate
		}
	case tunnel.LinkLost:
		sleepUntil(ctx, time.Now().Add(time.Second))
	}
	return err
}

// sleepUntil waits until t and reports whether ctx still runs.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
