package supervisor

import "context"

// course is the attempts of one round while they are of one kind, from before the first is made until a link carries the
// tunnel or the round is over: how they stand is left by then. A round whose order is superseded ends when its attempt has
// ended, which takes a moment, and whoever comes in its place waits for that.
type course struct {
	kind    attempts
	givenUp func() bool   // reports whether the round's order is superseded
	over    chan struct{} // closed when nothing more is left by it
}

// enter notes that a round sets about attempts of a kind, until part. A round that is given up by then makes none: whoever
// has come in its place may have seen nothing of it.
func (b *paces) enter(a attempts, givenUp func() bool) *course {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &course{kind: a, givenUp: givenUp, over: make(chan struct{})}
	if b.courses[a] == nil {
		b.courses[a] = map[*course]struct{}{}
	}
	b.courses[a][c] = struct{}{}
	return c
}

// part ends c.
func (b *paces) part(c *course) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.courses[c.kind], c); len(b.courses[c.kind]) == 0 {
		delete(b.courses, c.kind)
	}
	close(c.over)
}

// settle waits until the rounds that were given up have left how their attempts of a kind stand, or ctx ends. It waits for
// no other, and for no round that waits here itself: none has set about an attempt yet.
func (b *paces) settle(ctx context.Context, a attempts) {
	for c := b.ending(a); c != nil; c = b.ending(a) {
		select {
		case <-c.over:
		case <-ctx.Done():
			return
		}
	}
}

// ending is a course of rounds that were given up, nil where there is none.
func (b *paces) ending(a attempts) *course {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.courses[a] {
		if c.givenUp() {
			return c
		}
	}
	return nil
}
