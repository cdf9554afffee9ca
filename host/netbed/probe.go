package netbed

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ProbeOptions say what a prober asks and how often.
type ProbeOptions struct {
	From   *Namespace
	Addr   string        // in From, at which a mapping ends
	Every  time.Duration // default 100 ms
	Within time.Duration // an answer later than that is none; default 2 s
}

// Probe asks again and again, with a new connection each time, whether data flows to the echo service at the mapping's
// other end and back: 32 bytes that nobody can know beforehand. What it says is the truth about the mapping, whatever
// the daemon believes. Its methods are safe for concurrent use.
type Probe struct {
	opts   ProbeOptions
	cancel context.CancelFunc
	all    sync.WaitGroup
	rests  atomic.Bool

	mu      sync.Mutex
	answers []Answer
	changed chan struct{} // closed at the next answer
}

// Answer is the end of one question.
type Answer struct {
	Asked, At time.Time
	OK        bool
}

// Probe begins to ask, until Stop or the bed is closed.
func (b *Bed) Probe(o ProbeOptions) *Probe {
	if o.Every == 0 {
		o.Every = 100 * time.Millisecond
	}
	if o.Within == 0 {
		o.Within = 2 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Probe{opts: o, cancel: cancel, changed: make(chan struct{})}
	p.all.Go(func() { p.run(ctx) })
	b.onClose(p.Stop)
	return p
}

// Stop ends it. Answers remain.
func (p *Probe) Stop() {
	p.cancel()
	p.all.Wait()
}

// Rest has it ask nothing for a while, or go on.
func (p *Probe) Rest(rests bool) { p.rests.Store(rests) }

func (p *Probe) run(ctx context.Context) {
	tick := time.NewTicker(p.opts.Every)
	defer tick.Stop()
	for {
		if !p.rests.Load() {
			p.all.Go(func() { p.ask(ctx) })
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Probe) ask(ctx context.Context) {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.opts.Within)
	defer cancel()
	err := Ask(ctx, p.opts.From, p.opts.Addr)
	if context.Cause(ctx) == context.Canceled {
		return // nobody waits for the answer
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, Answer{asked, time.Now(), err == nil})
	close(p.changed)
	p.changed = make(chan struct{})
}

// Ask asks once: it connects to addr from the namespace and has 32 random bytes come back.
func Ask(ctx context.Context, from *Namespace, addr string) error {
	c, err := from.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(until)
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var nonce, back [32]byte
	_, _ = rand.Read(nonce[:])
	if _, err := c.Write(nonce[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, back[:]); err != nil {
		return err
	}
	if !bytes.Equal(nonce[:], back[:]) {
		return errors.New("what came back is not what was sent")
	}
	return nil
}

// Answers are those to questions asked since, in no order.
func (p *Probe) Answers(since time.Time) []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Answer
	for _, a := range p.answers {
		if !a.Asked.Before(since) {
			all = append(all, a)
		}
	}
	return all
}

// Forget drops the answers to questions asked before.
func (p *Probe) Forget(before time.Time) {
	kept := p.Answers(before)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = kept
}

// WaitUp waits for a question that was asked after since to be answered, and returns when the first one was.
func (p *Probe) WaitUp(ctx context.Context, since time.Time) (time.Time, error) {
	return p.wait(ctx, since, true)
}

// WaitDown waits for one not to be answered, and returns when it was asked.
func (p *Probe) WaitDown(ctx context.Context, since time.Time) (time.Time, error) {
	return p.wait(ctx, since, false)
}

func (p *Probe) wait(ctx context.Context, since time.Time, ok bool) (time.Time, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		var first time.Time
		for _, a := range p.Answers(since) {
			at := a.At
			if !ok {
				at = a.Asked
			}
			if a.OK == ok && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		if !first.IsZero() {
			return first, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}
