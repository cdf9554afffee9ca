package supervisor

import "context"

// Riders are the carriers of mappings that need the second link: they join it, board a branch as soon as one stands, and
// alight when that ends.

// join has c ride on the second link.
func (s *second) join(c *carrier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.riders == nil {
		s.riders = map[*carrier]*branch{}
		s.ctx, s.cancel = context.WithCancel(s.line)
	}
	s.riders[c] = nil
	if s.stop != nil {
		return
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(s.ctx)
	s.idle, s.why = make(chan struct{}), Failure{}
	go s.keep(ctx, s.idle)
}

// leave has c ride no more. With the last rider the link goes, and when leave returns its ports are free; it reports
// whether that is so.
func (s *second) leave(c *carrier) (gone bool) {
	s.mu.Lock()
	delete(s.riders, c)
	if len(s.riders) > 0 {
		s.mu.Unlock()
		return false
	}
	stop, idle := s.stop, s.idle
	s.stop = nil
	s.mu.Unlock()
	stop()
	<-idle
	return true
}

// board returns the branch that carries c, as soon as there is one; until then it has c say why there is none. It fails
// when ctx ends. The rider alights again before the branch goes.
func (s *second) board(ctx context.Context, c *carrier) (*branch, bool) {
	for {
		s.mu.Lock()
		b, why, turned := s.now, s.why, s.turned
		if b != nil {
			b.aboard.Add(1)
			s.riders[c] = b
			s.turnLocked()
		}
		s.mu.Unlock()
		switch {
		case b != nil:
			return b, true
		case why != Failure{}:
			c.listener(&failed{why})
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (s *second) alight(c *carrier, b *branch) {
	s.mu.Lock()
	s.riders[c] = nil
	s.mu.Unlock()
	b.aboard.Done()
}

// aboard are the riders of b.
func (s *second) aboard(b *branch) (all []*carrier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, on := range s.riders {
		if on == b {
			all = append(all, c)
		}
	}
	return all
}

// carrying is the branch on which the mapping of that name is, nil where it is on none.
func (s *second) carrying(name string) *branch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, b := range s.riders {
		if c.m.Name == name && b != nil {
			return b
		}
	}
	return nil
}

// await is carrying as soon as there is one. Its error, when ctx ends before, is why there is none, if that is known.
func (s *second) await(ctx context.Context, name string) (*branch, error) {
	for {
		s.mu.Lock()
		why, turned := s.why, s.turned
		s.mu.Unlock()
		if b := s.carrying(name); b != nil {
			return b, nil
		}
		select {
		case <-turned:
		case <-ctx.Done():
			if why != (Failure{}) {
				return nil, &failed{why}
			}
			return nil, ctx.Err()
		}
	}
}
