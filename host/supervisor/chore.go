package supervisor

import (
	"context"
	"sync"
	"time"
)

// chore is work that comes due again and again. A goroutine does it, never two at once, and ends when it is done: until the
// next time there is nothing but a timer, for a tunnel mostly waits and there are many. The zero chore is not begun: it is
// not hurried and need not be ended.
type chore struct {
	mu      sync.Mutex
	ctx     context.Context
	work    func(ctx context.Context) (next time.Time) // the zero time: not before it is hurried
	timer   *time.Timer
	cancel  context.CancelFunc // breaks off what runs, nil where nothing does
	hurried bool               // meanwhile: it is due again
	runs    sync.WaitGroup
}

// begin has work done now, and again when it is due, until end. Its context ends with ctx too.
func (c *chore) begin(ctx context.Context, work func(context.Context) (next time.Time)) {
	c.mu.Lock()
	c.ctx, c.work = ctx, work
	c.mu.Unlock()
	c.hurry()
}

// end breaks it off, and returns when it is over. It may be begun again then.
func (c *chore) end() {
	c.mu.Lock()
	c.work, c.hurried = nil, false
	if c.cancel != nil {
		c.cancel()
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.runs.Wait()
}

// hurry has it done now, or once more where it is being done.
func (c *chore) hurry() {
	if ctx, work, ok := c.enter(true); ok {
		go c.run(ctx, work)
	}
}

// putOff has it done not before next, unless it is being done or was never laid down.
func (c *chore) putOff(next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pause := time.Until(next); c.work != nil && c.cancel == nil && c.timer != nil && pause > 0 {
		c.timer.Reset(pause)
	}
}

// due has it done when its time has come.
func (c *chore) due() {
	if ctx, work, ok := c.enter(false); ok {
		c.run(ctx, work)
	}
}

// enter takes the work up, unless somebody is at it.
func (c *chore) enter(hurried bool) (ctx context.Context, work func(context.Context) time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.work == nil:
		return nil, nil, false
	case c.cancel != nil:
		c.hurried = c.hurried || hurried
		return nil, nil, false
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.runs.Add(1)
	ctx, c.cancel = context.WithCancel(c.ctx)
	return ctx, c.work, true
}

func (c *chore) run(ctx context.Context, work func(context.Context) time.Time) {
	defer c.runs.Done()
	for !c.rest(work(ctx)) {
	}
}

// rest lays the work down until next, unless it is due now. A timer is never set to a time that is past: one that has fired
// when it is made is more than the race detector can follow in virtual time.
func (c *chore) rest(next time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := c.work == nil || c.ctx.Err() != nil
	pause := time.Until(next)
	if !over && (c.hurried || !next.IsZero() && pause <= 0) {
		c.hurried = false
		return false
	}
	c.cancel()
	c.cancel = nil
	switch {
	case over || next.IsZero():
	case c.timer == nil:
		c.timer = time.AfterFunc(pause, c.due)
	default:
		c.timer.Reset(pause)
	}
	return true
}
