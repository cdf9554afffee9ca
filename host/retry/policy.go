package retry

import (
	"maps"
	"math/rand/v2"
	"time"
)

// Never, as a wait or as a Backoff's First, means: not before something changes.
const Never time.Duration = -1

// Policy turns the end of an attempt into the wait before the next. It counts the
// failures of each class by themselves, so that a failure of one class
// does not make another begin afresh. It is used by one goroutine.
type Policy struct {
	// Class sorts an error; nil puts all into the class "".
	Class func(error) string

	// Backoffs has the waits of each class. A class that is missing has those of
	// the zero Backoff.
	Backoffs map[string]Backoff

	// AtOnceAfter, where not 0, is how long an attempt must have lived to be
	// followed by the next at once, whatever its error.
	AtOnceAfter time.Duration

	// Random returns a number from 0 to below 1; nil means math/rand's.
	Random func() float64

	failures map[string]int
}

// Backoff is the waits after failures of one class: First, then Factor times as
// long each time, at most Max. The zero value is 1 s doubling to 60 s.
type Backoff struct {
	First  time.Duration // 0 means 1 s
	Max    time.Duration // 0 means 60 s, or First where that is longer
	Factor float64       // 0 means 2; 1 keeps the wait as it is

	// Jitter draws each wait from 0 up to what it would be else, so that what
	// failed together does not come back together.
	Jitter bool

	// FromStart counts the wait from the start of the attempt, not from its end:
	// one attempt every First. What is left of it is at least a sixth.
	FromStart bool

	// ResetAfter, where not 0, makes this class begin afresh once an attempt has
	// lived so long, whatever class that attempt ended in.
	ResetAfter time.Duration
}

// Next returns how long to wait after end: 0 for at once, or Never.
func (p *Policy) Next(end End) time.Duration {
	for class := range p.failures {
		if b := p.Backoffs[class]; b.ResetAfter > 0 && end.Lived >= b.ResetAfter {
			delete(p.failures, class)
		}
	}
	if p.AtOnceAfter > 0 && end.Lived >= p.AtOnceAfter {
		return 0
	}
	class := ""
	if p.Class != nil {
		class = p.Class(end.Err)
	}
	b := p.Backoffs[class].withDefaults()
	wait := b.after(p.count(class))
	switch {
	case wait == Never:
	case b.Jitter:
		wait = max(1, time.Duration(p.random()*float64(wait)))
	case b.FromStart:
		wait = max(wait-end.Took, wait/6)
	}
	return wait
}

// Reset makes every class begin afresh: something has changed.
func (p *Policy) Reset() { clear(p.failures) }

// Clone returns a policy that has seen what p has, for a goroutine of its own.
func (p *Policy) Clone() *Policy {
	c := *p
	c.failures = maps.Clone(p.failures)
	return &c
}

// count returns how many failures of class came before this one.
func (p *Policy) count(class string) int {
	if p.failures == nil {
		p.failures = map[string]int{}
	}
	p.failures[class]++
	return p.failures[class] - 1
}

func (p *Policy) random() float64 {
	if p.Random != nil {
		return p.Random()
	}
	return rand.Float64()
}

func (b Backoff) withDefaults() Backoff {
	if b.First == 0 {
		b.First = time.Second
	}
	if b.Max == 0 {
		b.Max = max(time.Minute, b.First)
	}
	if b.Factor == 0 {
		b.Factor = 2
	}
	return b
}

// after returns the wait that follows n earlier ones.
func (b Backoff) after(n int) time.Duration {
	if b.First == Never {
		return Never
	}
	wait := float64(b.First)
	for ; n > 0 && wait < float64(b.Max) && b.Factor > 1; n-- {
		wait *= b.Factor
	}
	if wait >= float64(b.Max) { // compared before it is converted: it may be more than a Duration holds
		return b.Max
	}
	return time.Duration(wait)
}
