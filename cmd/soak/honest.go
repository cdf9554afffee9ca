package main

import (
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// span is a stretch of time; an open end is the end of what is looked at.
type span struct{ from, to time.Time }

// honest compares the daemon's words with the probers' since then (G8), keeps how long at most the tunnel was called up
// while data did not flow, and not up while it did, and forgets the answers.
func (l *lane) honest(goal string, since time.Time) {
	now := time.Now()
	dead := broken(since, now, l.expose.Answers(since), l.reach.Answers(since))
	up := called(l.w.words.of(l.tunnel), since, now)
	l.w.s.trial("G8", goal, map[string]float64{
		"false up":   longest(overlap(up, dead)).Seconds(),
		"false down": longest(overlap(others(up, since, now), others(dead, since, now))).Seconds(),
	}, nil)
	l.expose.Forget(now)
	l.reach.Forget(now)
}

// broken is when data did not flow through every mapping: from the first question that was not answered until the next
// answer.
func broken(from, to time.Time, mappings ...[]netbed.Answer) []span {
	var all []span
	for _, answers := range mappings {
		slices.SortFunc(answers, func(a, b netbed.Answer) int { return a.Asked.Compare(b.Asked) })
		var since time.Time
		for _, a := range answers {
			switch {
			case !a.OK && since.IsZero():
				since = a.Asked
			case a.OK && !since.IsZero():
				all = append(all, span{since, a.At})
				since = time.Time{}
			}
		}
		if !since.IsZero() {
			all = append(all, span{since, to})
		}
	}
	return joined(all, from, to)
}

// called is when the tunnel was called up.
func called(said []word, from, to time.Time) []span {
	var all []span
	for i, w := range said {
		end := to
		if i+1 < len(said) {
			end = said[i+1].At
		}
		if isUp(w) {
			all = append(all, span{w.At, end})
		}
	}
	return joined(all, from, to)
}

// joined are the spans in their order within from and to, those that touch made one.
func joined(all []span, from, to time.Time) (out []span) {
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	for _, s := range all {
		s = span{later(s.from, from), earlier(s.to, to)}
		if !s.from.Before(s.to) {
			continue
		}
		if n := len(out); n > 0 && !out[n-1].to.Before(s.from) {
			out[n-1].to = later(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// others is the rest of the time between from and to.
func others(all []span, from, to time.Time) (out []span) {
	for _, s := range all {
		if from.Before(s.from) {
			out = append(out, span{from, s.from})
		}
		from = s.to
	}
	if from.Before(to) {
		out = append(out, span{from, to})
	}
	return out
}

// overlap is when both were so.
func overlap(a, b []span) (out []span) {
	for _, x := range a {
		for _, y := range b {
			if s := (span{later(x.from, y.from), earlier(x.to, y.to)}); s.from.Before(s.to) {
				out = append(out, s)
			}
		}
	}
	return out
}

func longest(all []span) (d time.Duration) {
	for _, s := range all {
		d = max(d, s.to.Sub(s.from))
	}
	return d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
