package retry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// step is one attempt as a test plays it.
type step struct {
	connect time.Duration // until it lives or fails
	live    time.Duration // 0: it never lives
	err     error
}

// play runs the steps in a loop, in virtual time, and returns when each attempt
// began and the waits that were announced. After the last step it is done.
func play(t *testing.T, p Policy, steps ...step) (began, announced []time.Duration) {
	t.Helper()
	start := time.Now()
	n := 0
	err := Run(t.Context(), func(ctx context.Context, alive func()) error {
		began = append(began, time.Since(start))
		if n == len(steps) {
			return nil
		}
		s := steps[n]
		n++
		time.Sleep(s.connect)
		if s.live > 0 {
			alive()
			time.Sleep(s.live)
			alive() // only the first counts
		}
		return s.err
	}, Loop{Policy: &p, Waiting: func(end End, next time.Time) {
		if s := steps[n-1]; end.Err != s.err || end.Lived != s.live || end.Took != s.connect+s.live {
			t.Errorf("the wait was announced with %v after %v", end, s)
		}
		announced = append(announced, time.Until(next))
	}})
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	return began, announced
}

func seconds(list ...float64) (all []time.Duration) {
	for _, s := range list {
		all = append(all, time.Duration(s*float64(time.Second)))
	}
	return all
}

// The classes of a link, as tunnels use them.
var (
	errUnreached = errors.New("unreached")
	errFailed    = errors.New("failed")
	errRefused   = errors.New("refused")
	errForbidden = errors.New("forbidden")
)

func linkPolicy() Policy {
	return Policy{
		Class: error.Error,
		Backoffs: map[string]Backoff{
			"unreached": {First: 3 * time.Second, Factor: 1, FromStart: true},
			"failed":    {First: 500 * time.Millisecond, Max: 10 * time.Second, Jitter: true, ResetAfter: 10 * time.Second},
			"refused":   {First: time.Minute, Max: time.Hour, ResetAfter: 1},
			"forbidden": {First: Never},
		},
		AtOnceAfter: 10 * time.Second,
		Random:      func() float64 { return 0.5 },
	}
}

func TestTimes(t *testing.T) {
	const s = time.Second
	fails := func(n int, err error) []step { return slices.Repeat([]step{{err: err}}, n) }
	for _, c := range []struct {
		name   string
		policy Policy
		steps  []step
		want   []time.Duration // when attempts begin
	}{
		{"the zero policy doubles from a second to a minute", Policy{}, fails(9, errFailed),
			seconds(0, 1, 3, 7, 15, 31, 63, 123, 183, 243)},
		{"a process that ran for a minute begins afresh", Policy{Backoffs: map[string]Backoff{"": {ResetAfter: 60 * s}}},
			[]step{{0, 0, errFailed}, {0, 59 * s, errFailed}, {0, 60 * s, errFailed}, {0, 0, errFailed}},
			seconds(0, 1, 62, 123, 125)},
		{"without connection, an attempt every 3 s whatever it took", linkPolicy(),
			[]step{{0, 0, errUnreached}, {s, 0, errUnreached}, {10 * s, 0, errUnreached}, {0, 0, errUnreached}},
			seconds(0, 3, 6, 16.5, 19.5)},
		{"a failed link comes back with jitter, at most 10 s", linkPolicy(), fails(7, errFailed),
			seconds(0, .25, .75, 1.75, 3.75, 7.75, 12.75, 17.75)},
		{"a link that lived 10 s comes back at once, again and again", linkPolicy(),
			[]step{{0, 0, errFailed}, {0, 0, errFailed}, {2 * s, 10 * s, errFailed}, {0, 10 * s, errUnreached}, {0, 0, errFailed}},
			seconds(0, .25, .75, 12.75, 22.75, 23)},
		{"a slow connect is no life", linkPolicy(),
			[]step{{30 * s, 9 * s, errFailed}, {30 * s, 0, errFailed}},
			seconds(0, 39.25, 69.75)},
		{"a refused login waits from a minute to an hour", linkPolicy(), fails(8, errRefused),
			seconds(0, 60, 180, 420, 900, 1860, 3780, 7380, 10980)},
		{"another failure in between does not hide refusals", linkPolicy(),
			[]step{{0, 0, errRefused}, {0, 0, errUnreached}, {0, 0, errRefused}, {0, s, errFailed}, {0, 0, errRefused}},
			seconds(0, 60, 63, 183, 184.25, 244.25)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, announced := play(t, c.policy, c.steps...)
				if !slices.Equal(began, c.want) {
					t.Errorf("attempts began at %v, want %v", began, c.want)
				}
				for _, wait := range announced {
					if wait <= 0 {
						t.Errorf("announced: %v", announced)
					}
				}
			})
		})
	}
}

func TestJitterCoversTheWholeWait(t *testing.T) {
	p := linkPolicy()
	for _, c := range []struct {
		random float64
		want   time.Duration
	}{{0, 1}, {0.25, 125 * time.Millisecond}, {0.999, 499500 * time.Microsecond}} {
		p.Reset()
		p.Random = func() float64 { return c.random }
		if got := p.Next(End{Err: errFailed}); got != c.want {
			t.Errorf("with %v the wait is %v, want %v", c.random, got, c.want)
		}
	}
	p.Random = nil
	seen := map[time.Duration]bool{}
	for range 100 {
		p.Reset()
		wait := p.Next(End{Err: errFailed})
		if wait <= 0 || wait > 500*time.Millisecond {
			t.Fatalf("the wait is %v", wait)
		}
		seen[wait] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 waits have %d values", len(seen))
	}
}

func TestWaitNeverOverflows(t *testing.T) {
	p := Policy{Backoffs: map[string]Backoff{"": {First: time.Hour, Max: 1<<63 - 1, Factor: 1e9}}}
	for range 1000 {
		if wait := p.Next(End{Err: errFailed}); wait < time.Hour {
			t.Fatalf("the wait is %v", wait)
		}
	}
}

// A change ends the wait, even one that comes while an attempt runs on the old state.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start, wake := time.Now(), make(chan struct{}, 1)
		var began []time.Duration
		var next []time.Time
		p := linkPolicy()
		time.AfterFunc(30*time.Second, func() { wake <- struct{}{} })  // in the first wait
		time.AfterFunc(100*time.Second, func() { wake <- struct{}{} }) // in the third attempt
		time.AfterFunc(200*time.Second, cancel)                        // in the fourth wait
		err := Run(ctx, func(context.Context, func()) error {
			began = append(began, time.Since(start))
			switch len(began) {
			case 3:
				time.Sleep(20 * time.Second)
			case 4:
				return errForbidden
			}
			return errRefused
		}, Loop{Policy: &p, Wake: wake, Waiting: func(_ End, at time.Time) { next = append(next, at) }})

		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if want := seconds(0, 30, 90, 110); !slices.Equal(began, want) {
			t.Errorf("attempts began at %v, want %v", began, want)
		}
		if len(next) != 4 || !next[3].IsZero() || next[2].IsZero() {
			t.Errorf("announced: %v", next)
		}
		if after := time.Since(start); after != 200*time.Second {
			t.Errorf("it ended after %v", after)
		}
	})
}

// A change that may help cuts the wait to a second, and leaves the backoff where it is; many changes make no storm.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 62*time.Second)
		defer cancel()
		start, hurry := time.Now(), make(chan struct{}, 1)
		change := func(at time.Duration) {
			time.AfterFunc(at, func() {
				select {
				case hurry <- struct{}{}:
				default:
				}
			})
		}
		change(5 * time.Second)                                                  // in the third wait, which has 2 s left
		change(13500 * time.Millisecond)                                         // in the fourth, which has half a second left
		change(20 * time.Second)                                                 // in the fifth
		change(21500 * time.Millisecond)                                         // in the attempt after it
		for at := 60 * time.Second; at < 62*time.Second; at += time.Second / 7 { // again and again
			change(at)
		}
		var began []time.Duration
		_ = Run(ctx, func(context.Context, func()) error {
			if began = append(began, time.Since(start)); len(began) == 6 {
				time.Sleep(time.Second)
			}
			return errFailed
		}, Loop{Policy: &Policy{}, Hurry: hurry})
		if want := seconds(0, 1, 3, 6, 14, 21, 23, 61); !slices.Equal(began, want) {
			t.Errorf("attempts began at %v, want %v", began, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p, hurry, attempts := linkPolicy(), make(chan struct{}, 1), 0
		hurry <- struct{}{}
		_ = Run(ctx, func(context.Context, func()) error { attempts++; return errForbidden }, Loop{Policy: &p, Hurry: hurry})
		if attempts != 1 {
			t.Errorf("what is never tried again was tried %d times", attempts)
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		attempts := 0
		blocking := func(ctx context.Context, _ func()) error {
			attempts++
			<-ctx.Done()
			time.Sleep(time.Second) // its clean-up is waited for
			return errFailed
		}
		start := time.Now()
		announce := func(End, time.Time) { t.Error("announced a wait after the end") }
		err := Run(ctx, blocking, Loop{Policy: &Policy{}, Waiting: announce})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 11*time.Second || attempts != 1 {
			t.Errorf("Run: %v after %v and %d attempts", err, took, attempts)
		}
		if err := Run(ctx, blocking, Loop{Policy: &Policy{}}); !errors.Is(err, context.DeadlineExceeded) || attempts != 1 {
			t.Errorf("under an ended context: %v, %d attempts", err, attempts)
		}
		done := func(context.Context, func()) error { cancel(); return nil }
		if err := Run(t.Context(), done, Loop{Policy: &Policy{}}); err != nil {
			t.Errorf("an attempt that is done: %v", err)
		}
	})
}
