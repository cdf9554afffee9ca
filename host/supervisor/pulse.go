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
		asked, limit, pause := time.Now(), patience, cycle
		if left := time.Until(silent.Add(replaceAfter)); !silent.IsZero() && left > 0 {
			limit = min(limit, left)
		}
		err := n.link.inquire(ctx, limit, n.link.Keepalive)
		n.place.giveBack()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			silent = time.Time{}
			n.r.k.standing.keepalive(n.link, Failure{})
			n.answered()
		default:
			pause = urgency
			if silent.IsZero() {
				silent = later(asked, time.Now().Add(-limit)) // it may have waited for the server to hear it
			}
			n.r.k.standing.keepalive(n.link, busy(silent))
			n.unanswered(silent)
		}
		if !sleep(ctx, asked.Add(pause), n.hurry) {
			return
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
