package supervisor

import (
	"context"
	"time"
)

// pulse asks the server for a sign of life in each cycle until ctx ends: sooner while it gives none, and at once when
// somebody is in a hurry to know.
func (n *line) pulse(ctx context.Context) {
	var silent time.Time // since when it gives none
	for {
		asked, pause := time.Now(), n.link.cycle()
		apart(func() { silent = n.beat(ctx, silent) })
		if !silent.IsZero() {
			pause = urgency
		}
		if !sleep(ctx, asked.Add(pause), n.hurry) {
			return
		}
	}
}

// beat asks once for a sign of life and returns since when there is none, zero where there is.
func (n *line) beat(ctx context.Context, silent time.Time) time.Time {
	asked, limit := time.Now(), n.link.patience()
	if left := time.Until(silent.Add(replaceAfter)); !silent.IsZero() && left > 0 {
		limit = min(limit, left)
	}
	err := n.link.inquire(ctx, limit, n.link.Keepalive)
	n.place.giveBack()
	switch {
	case ctx.Err() != nil:
		return silent
	case err == nil:
		n.r.k.standing.keepalive(n.link, Failure{})
		n.answered()
		return time.Time{}
	}
	if silent.IsZero() {
		silent = later(asked, time.Now().Add(-limit)) // it may have waited for the server to hear it
	}
	n.r.k.standing.keepalive(n.link, busy(silent))
	n.unanswered(silent)
	return silent
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
