package supervisor

import (
	"context"
	"time"
)

// pulse asks the server for a sign of life and returns when it is to be asked again: after a cycle, sooner while it gives
// none, and at once when somebody is in a hurry to know.
func (n *line) pulse(ctx context.Context) (next time.Time) {
	asked, pause := time.Now(), n.link.cycle()
	n.beat(ctx, n.silentSince())
	if !n.silentSince().IsZero() {
		pause = urgency
	}
	return asked.Add(pause)
}

// beat asks once for a sign of life, where there has been none since silent, if that is not zero.
func (n *line) beat(ctx context.Context, silent time.Time) {
	asked, limit := time.Now(), n.link.patience()
	if left := time.Until(silent.Add(replaceAfter)); !silent.IsZero() && left > 0 {
		limit = min(limit, left)
	}
	err := n.link.inquire(ctx, limit, n.link.Keepalive)
	n.place.giveBack()
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		n.r.k.standing.keepalive(n.link, Failure{})
		n.answered()
		return
	}
	if silent.IsZero() {
		silent = later(asked, time.Now().Add(-limit)) // it may have waited for the server to hear it
	}
	n.r.k.standing.keepalive(n.link, busy(silent))
	n.unanswered(silent)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
