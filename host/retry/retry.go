// Package retry runs an attempt again and again with backoff. What it runs keeps a
// tunnel's link or a module's process: an attempt is one blocking function that
// returns when the thing is gone, and the waiting is done here.
//
// It knows no reasons: its user sorts errors into classes, each with a Backoff of
// its own. It starts no goroutine and keeps no timer beyond a wait.
package retry

import (
	"context"
	"time"
)

// Attempt tries once and returns when what it tried has failed or ended, or soon
// after ctx has. It calls alive when the thing works; how long it lived is counted
// from there. A nil error means that it is done and is not tried again.
type Attempt func(ctx context.Context, alive func()) error

// End is how an attempt ended.
type End struct {
	Err   error
	Took  time.Duration // from its start
	Lived time.Duration // from its first call of alive, 0 where there was none
}

// Loop is how attempts follow each other.
type Loop struct {
	// Policy decides the waits. It belongs to this loop alone.
	Policy *Policy

	// Waiting, where not nil, is told of each wait when it begins: why, and when
	// the next attempt is due. The zero time means not before Wake.
	Waiting func(end End, next time.Time)

	// Wake, where not nil, ends the wait at once and begins the backoff afresh:
	// something has changed. A value that was sent during an attempt (give the
	// channel room for one) ends the wait after it.
	Wake <-chan struct{}

	// Hurry, where not nil, cuts the wait to Hurried at most, and leaves the backoff
	// as it is: something has changed that may help, and may as well not. A value
	// that was sent during an attempt cuts the wait after it. Never stays never.
	Hurry <-chan struct{}
}

// Hurried is how long a wait that was cut still is at most: who keeps changing
// something makes no storm of attempts.
const Hurried = time.Second

// Run makes one attempt after the other. It returns nil when one returns nil, and
// else ctx's error once ctx has ended and the attempt has returned.
func Run(ctx context.Context, attempt Attempt, l Loop) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.follow(ctx, try(ctx, attempt), attempt)
}

// Resume is Run after an attempt that ended so: its error is not nil, and a wait comes first. Whoever need not keep a
// goroutine while something works has attempt return nil then, and resumes when it does no more.
func Resume(ctx context.Context, end End, attempt Attempt, l Loop) error {
	return l.follow(ctx, end, attempt)
}

func (l Loop) follow(ctx context.Context, end End, attempt Attempt) error {
	for end.Err != nil && ctx.Err() == nil {
		l.wait(ctx, end)
		if ctx.Err() == nil {
			end = try(ctx, attempt)
		}
	}
	if end.Err == nil {
		return nil
	}
	return ctx.Err()
}

func try(ctx context.Context, attempt Attempt) (end End) {
	var since time.Time
	began := time.Now()
	end.Err = attempt(ctx, func() {
		if since.IsZero() {
			since = time.Now()
		}
	})
	end.Took = time.Since(began)
	if !since.IsZero() {
		end.Lived = time.Since(since)
	}
	return end
}

// wait returns when the next attempt is due, at once where it is due now.
func (l Loop) wait(ctx context.Context, end End) {
	d := l.Policy.Next(end)
	if d == 0 {
		return
	}
	hurry, began := l.Hurry, time.Now()
	if d == Never {
		hurry = nil
	}
	if l.pause(ctx, end, d, hurry) {
		l.pause(ctx, end, max(1, min(Hurried, d-time.Since(began))), nil)
	}
	select {
	case <-l.Hurry: // what changed meanwhile the next attempt meets
	default:
	}
}

// pause waits for d, and reports whether hurry cut it short.
func (l Loop) pause(ctx context.Context, end End, d time.Duration, hurry <-chan struct{}) (cut bool) {
	var next time.Time
	var due <-chan time.Time
	if d != Never {
		next = time.Now().Add(d)
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	if l.Waiting != nil {
		l.Waiting(end, next)
	}
	select {
	case <-due:
	case <-hurry:
		return true
	case <-l.Wake:
		l.Policy.Reset()
	case <-ctx.Done():
	}
	return false
}
