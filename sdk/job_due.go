package sdk

import (
	"context"
	"errors"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// loop has the job run whenever it is due, until ctx ends.
func (j *job[S]) loop(ctx context.Context) {
	if j.live.awaitReady(ctx) != nil {
		return
	}
	again := j.again()
	for {
		next := j.plan(again)
		again = false
		if next.IsZero() || !j.await(ctx, next) {
			return
		}
		if j.schedule.Interval() == 0 && wall().Sub(next) > missed {
			continue // the clock was put forward over it
		}
		j.due()
	}
}

// missed is how late a daily job may be.
const missed = 10 * time.Minute

// again reports whether the last run by schedule was cut off, and not done once more yet.
func (j *job[S]) again() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept.Cut == 1
}

// plan says when the job is due next, jitter included.
func (j *job[S]) plan(again bool) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := wall()
	switch last := j.kept.Due; {
	case j.schedule.Off():
		j.next = time.Time{}
	case again:
		j.next = now.Add(j.jitter)
	case j.schedule.Interval() == 0:
		j.next = j.schedule.Next(last, now.Add(-j.jitter)).Add(j.jitter)
	default:
		if j.next = j.schedule.Next(last, now); j.next.Equal(now) {
			j.next = now.Add(j.jitter)
		}
	}
	return j.next
}

// glance is how long the clock on the wall is not looked at: it may be put forward and back while a job waits.
const glance = time.Minute

// await returns when the time has come, or ctx has ended, which is false. A clock that was put back does not keep a job for
// longer than the time between two runs.
func (j *job[S]) await(ctx context.Context, next time.Time) bool {
	longest := time.Until(next)
	t := time.NewTimer(0)
	defer t.Stop()
	for left := longest; left > 0; left = min(next.Sub(wall()), longest) {
		t.Reset(min(left, glance))
		select {
		case <-t.C:
			longest = max(longest-min(left, glance), 0)
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// due begins a run, or counts that one is under way.
func (j *job[S]) due() {
	_, err := j.begin(j.live.ctx, tunnel.BySchedule, false, nil)
	if errors.Is(err, tunnel.ErrExists) {
		j.change(func() {
			j.kept.Due = wall()
			j.kept.Skipped++
		})
		j.live.in.Metrics.Add(jobSkipped, 1, j.Name)
		j.live.in.Log.Warn("job is due while it runs", "job", j.Name)
	}
}
