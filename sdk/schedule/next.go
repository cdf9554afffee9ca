package schedule

import (
	"hash/fnv"
	"time"
)

// Next is when the job is due next, the zero time for never. last is when it was due before, zero where it never was;
// what was due meanwhile, and not done, is due once, now. Its jitter, from [Jitter], has to be added by the caller.
//
// A job of "every" that was never due is due now: who sets it up sees it work. One of "daily" that was missed is not made
// up for: its time of day was chosen.
func (s Schedule) Next(last, now time.Time) time.Time {
	switch {
	case s.daily:
		return s.nextDaily(now)
	case s.every == 0:
		return time.Time{}
	case last.IsZero() || last.After(now): // or the clock was put back
		return now
	}
	due := last.Add(s.every)
	if due.Before(now) {
		return now
	}
	return due
}

// nextDaily is the first of its times that is after now.
func (s Schedule) nextDaily(now time.Time) time.Time {
	year, month, day := now.Date()
	for i := -1; ; i++ {
		if t := s.on(year, month, day+i, now.Location()); t.After(now) {
			return t
		}
	}
}

// on is when the time of day comes on that date.
func (s Schedule) on(year int, month time.Month, day int, zone *time.Location) time.Time {
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Add(s.at)
	before, after := offset(wall.Add(-26*time.Hour), zone), offset(wall.Add(26*time.Hour), zone)
	for _, o := range []time.Duration{max(before, after), min(before, after)} { // the larger offset is the earlier moment
		if t := wall.Add(-o).In(zone); offset(t, zone) == o {
			return t
		}
	}
	// No clock shows it: it lies in what is left out, which ends where another offset begins.
	t := wall.Add(-before).In(zone)
	if start, _ := t.ZoneBounds(); !start.IsZero() {
		return start
	}
	return t
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// window is the longest jitter.
const window = 30 * time.Second

// Jitter is by how much a job is late, so that not all of a machine, or of all machines, begin at once: at most 30 s, and
// at most a tenth of the time between two runs. It is always the same for the same name.
func (s Schedule) Jitter(name string) time.Duration {
	w := window
	if s.every > 0 {
		w = min(w, s.every/10)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return time.Duration(h.Sum64()%uint64(w/time.Millisecond)) * time.Millisecond
}
