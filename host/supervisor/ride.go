package supervisor

import (
	"context"
	"time"
)

// ride carries the mapping on the second link, branch after branch, until ctx ends.
func (c *carrier) ride(ctx context.Context, s *second) {
	main := c.link
	c.drift(true)
	s.join(c)
	for {
		b, ok := s.board(ctx, c)
		if !ok {
			break
		}
		c.link, c.branch = b.link, b
		c.drift(false)
		on, alight := both(ctx, b.riding)
		c.begin(on)
		<-on.Done()
		c.stop()
		alight()
		c.k.standing.note(func() { c.m.withdrawn(b.link) })
		s.alight(c, b)
		if ctx.Err() != nil {
			break
		}
		c.forget(main)
	}
	if s.leave(c) {
		c.link, c.branch = main, nil
	}
}

// both is a context that ends with a and with b.
func both(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a)
	stop := context.AfterFunc(b, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// drift notes whether there is no second link for the mapping: its clients wait for one meanwhile.
func (c *carrier) drift(adrift bool) {
	c.k.standing.note(func() { c.m.adrift = adrift })
}

// forget forgets the branch and what was found out about the mapping on it.
func (c *carrier) forget(main *guarded) {
	c.link, c.branch, c.due = main, nil, time.Time{}
	c.k.standing.note(func() { c.m.adrift, c.m.target = true, verdict{} })
}
