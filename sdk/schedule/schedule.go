// Package schedule says when a job is due: every so often, daily at a time of day, or never. Modules hold a [Schedule] in
// their settings; the SDK runs jobs by it.
//
// A daily time is one of the machine's time zone, or of the zone that the daemon was given. It comes once on every day: a
// time that the day leaves out, where clocks are put forward, comes at the moment they are; a time that the day has twice
// comes the first time.
//
// All functions are pure and safe for concurrent use.
package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of "every".
const (
	Shortest = 10 * time.Second
	Longest  = 31 * 24 * time.Hour
)

// Schedule says when a job is due. Its text is "every 15m", "daily 03:30" or "off". The zero Schedule is off.
type Schedule struct {
	every time.Duration // 0 where it is not that
	daily bool
	at    time.Duration // since midnight, of daily
}

// Every is the schedule of a job that is due each time d has passed.
func Every(d time.Duration) Schedule { return Schedule{every: d} }

// Daily is the schedule of a job that is due at a time of day.
func Daily(hour, minute int) Schedule {
	return Schedule{daily: true, at: time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute}
}

// Parse reads the text of a Schedule, and nothing that is only like it.
func Parse(text string) (Schedule, error) {
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case text == "off":
		return Schedule{}, nil
	case word == "every":
		return parseEvery(rest)
	case word == "daily":
		return parseDaily(rest)
	}
	return Schedule{}, errSyntax
}

var errSyntax = fmt.Errorf(`write it like "every 15m", "daily 03:30" or "off"`)

func parseEvery(text string) (Schedule, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || strings.ContainsAny(text, "+-"):
		return Schedule{}, errSyntax
	case d < Shortest || d > Longest || d%time.Second != 0:
		return Schedule{}, fmt.Errorf("use whole seconds, at least %v and at most %v", Shortest, Longest)
	}
	return Every(d), nil
}

func parseDaily(text string) (Schedule, error) {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return Schedule{}, errSyntax
	}
	return Daily(t.Hour(), t.Minute()), nil
}

// Off reports whether the job is never due by itself.
func (s Schedule) Off() bool { return s.every == 0 && !s.daily }

// Interval is the time between two runs, 0 where it is daily or off.
func (s Schedule) Interval() time.Duration { return s.every }

// String is what Parse reads.
func (s Schedule) String() string {
	switch {
	case s.daily:
		return fmt.Sprintf("daily %02d:%02d", s.at/time.Hour, s.at%time.Hour/time.Minute)
	case s.every > 0:
		return "every " + span(s.every)
	}
	return "off"
}

// span is how a person would write d: "1h", not "1h0m0s".
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is Parse; an empty text is off.
func (s *Schedule) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*s = Schedule{}
		return nil
	}
	*s, err = Parse(string(text))
	return err
}
