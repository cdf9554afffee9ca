package supervisor

import (
	"context"
	"time"
)

// pulse asks the server for a sign of life and returns when it is to be asked again: a cycle after it was last asked what it
// has answered, sooner while it gives none, and at once when somebody is in a hurry to know.
func (n *line) pulse(ctx context.Context) (next time.Time) {
	asked, cycle := time.Now(), n.link.cycle()
	n.beat(ctx, n.silentSince(), n.lateness())
	if !n.silentSince().IsZero() {
		return asked.Add(urgency)
	}
	return n.spare(onBeat(asked.Add(cycle)), 0)
}

// lives notes that a proof came back from the server, asked for when it says: a sign of life as good as the answer to a
// keepalive, which is not due for a cycle then. Where proofs come back at once it is put off a moment longer, so that the
// next proof, due with it, goes before it and puts it off again: see beat for what that moment does not change. While
// keepalives go unanswered, only one that is answered ends that.
func (n *line) lives(asked time.Time) {
	if !n.silentSince().IsZero() {
		return
	}
	n.r.k.standing.keepalive(n.link, Failure{})
	n.answered()
	late := time.Duration(0)
	if time.Since(asked) < precedence/2 {
		late = precedence
	}
	n.asking.putOff(n.spare(onBeat(asked.Add(n.link.cycle()+late)), late))
}

// spare has no keepalive due before then, of which late is the precedence of a proof, and returns when one is.
func (n *line) spare(until time.Time, late time.Duration) (due time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if until.After(n.due) {
		n.due, n.late = until, late
	}
	return n.due
}

// lateness is by how much the keepalive that is asked for now was put off to give a proof precedence.
func (n *line) lateness() (late time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !time.Now().Before(n.due) {
		late, n.late = n.late, 0
	}
	return late // none where somebody is in a hurry
}

// beat asks once for a sign of life, where there has been none since silent, if that is not zero. It is as if asked late ago,
// as was the proof that has not come back since: an answer is waited for no longer than if it had been asked for then.
func (n *line) beat(ctx context.Context, silent time.Time, late time.Duration) {
	asked, limit := time.Now().Add(-late), n.link.patience()-late
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
		silent = later(asked, time.Now().Add(-limit-late)) // it may have waited for the server to hear it
	}
	n.r.k.standing.keepalive(n.link, busy(n.via, silent))
	n.unanswered(silent)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
