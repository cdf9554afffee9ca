package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceIsItsBurstAndThenItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := Pace{Rate: 100, Burst: 1000}
		for _, step := range []struct {
			after time.Duration
			n     int
			wait  time.Duration
		}{
			{0, 1000, 0},
			{0, 50, 500 * time.Millisecond},
			{time.Minute, 1000, 0},
			{time.Second, 150, 500 * time.Millisecond},
		} {
			time.Sleep(step.after)
			if got := p.Take(step.n); got != step.wait {
				t.Errorf("%+v waits %v", step, got)
			}
		}
	})
}

func TestPaceAllowsWhatItHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := Pace{Rate: 10, Burst: 3}
		allowed := func() (n int) {
			for range 10 {
				if p.Allow() {
					n++
				}
			}
			return n
		}
		if n := allowed(); n != 3 {
			t.Errorf("%d at once", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := allowed(); n != 2 {
			t.Errorf("%d after a fifth of a second", n)
		}
	})
}
