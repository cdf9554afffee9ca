package netwatch

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a watch in virtual time whose signs and sleep a test gives.
type bench struct {
	signs chan struct{}
	slept atomic.Int64    // nanoseconds
	told  []time.Duration // since the start
	woke  []bool
}

// play runs a story beside a watch.
func play(t *testing.T, story func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, start := &bench{signs: make(chan struct{}, 1)}, time.Now()
		w := &watch{
			signs: b.signs, settle: settle, between: between, look: look,
			clocks: func() (awake, all time.Duration) {
				return time.Since(start), time.Since(start) + time.Duration(b.slept.Load())
			},
			tell: func(woke bool) {
				b.told, b.woke = append(b.told, time.Since(start)), append(b.woke, woke)
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		synctest.Wait()
		story(t, b)
		cancel()
		<-done
	})
}

// sign gives n signs, so far apart.
func (b *bench) sign(n int, apart time.Duration) {
	for range n {
		select {
		case b.signs <- struct{}{}:
		default:
		}
		time.Sleep(apart)
	}
	synctest.Wait()
}

func TestWhatHappensTogetherIsToldOnceAndSoon(t *testing.T) {
	play(t, func(t *testing.T, b *bench) {
		time.Sleep(10 * time.Second)
		b.sign(20, 10*time.Millisecond)
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{10*time.Second + settle}; !slices.Equal(b.told, want) {
			t.Errorf("told at %v, want %v", b.told, want)
		}
	})
}

func TestAnInterfaceThatFlapsIsToldEveryThreeSeconds(t *testing.T) {
	play(t, func(t *testing.T, b *bench) {
		b.sign(300, 100*time.Millisecond)
		last := 300 * 100 * time.Millisecond
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(b.told); n < 10 || n > 12 {
			t.Errorf("told %d times in %s", n, last)
		}
		for i := 1; i < len(b.told); i++ {
			if gap := b.told[i] - b.told[i-1]; gap < between {
				t.Errorf("told again after %s", gap)
			}
		}
		if end := b.told[len(b.told)-1]; end < last-100*time.Millisecond {
			t.Errorf("the last sign was given at %s, the last telling was at %s", last, end)
		}
	})
}

func TestSleepIsNoticed(t *testing.T) {
	play(t, func(t *testing.T, b *bench) {
		time.Sleep(9 * time.Second)
		b.slept.Add(int64(500 * time.Millisecond)) // the two clocks are not read in one moment
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(b.told) > 0 {
			t.Errorf("told %v of no sleep", b.told)
		}
		b.slept.Add(int64(time.Hour))
		time.Sleep(look + settle)
		b.sign(1, between+settle)
		if !slices.Equal(b.woke, []bool{true, false}) {
			t.Errorf("told %v", b.woke)
		}
	})
}

func TestTheClocksOfThisMachine(t *testing.T) {
	awake, all := clocks()
	if awake <= 0 || all < awake-time.Second {
		t.Errorf("awake for %s of %s", awake, all)
	}
}
