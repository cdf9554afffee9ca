package schedule

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata" // the zones, wherever the test runs
)

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"every 15m": "every 15m", "every 90m": "every 1h30m", "every 1h": "every 1h", "every 24h": "every 24h", "every 45s": "every 45s",
		"daily 03:30": "daily 03:30", "daily 00:00": "daily 00:00", "daily 23:59": "daily 23:59", "off": "off",
	} {
		s, err := Parse(text)
		again, err2 := Parse(s.String())
		if err != nil || err2 != nil || s.String() != want || again != s || s.Off() != (text == "off") {
			t.Errorf("%q is %q, %v, %v", text, s, err, err2)
		}
	}
	for _, text := range []string{
		"", "every", "every ", "every 5", "every 5x", "every -5m", "every +5m", "every 0", "every 9s", "every 1500ms", "every 745h", "every  5m", "every 5m ", "Every 5m",
		"daily", "daily 3:30", "daily 24:00", "daily 03:60", "daily 03:30:00", "daily  03:30", "daily 03:30 ", "weekly", "hourly", "off ", "\x1b[2J",
		"every 10000000000000h", "every NaN",
	} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q is taken as %q", text, s)
		}
	}
}

func TestInJSON(t *testing.T) {
	var v struct{ When Schedule }
	if err := json.Unmarshal([]byte(`{"When":"daily 03:30"}`), &v); err != nil || v.When != Daily(3, 30) {
		t.Errorf("%v, %v", v, err)
	}
	if b, err := json.Marshal(v); string(b) != `{"When":"daily 03:30"}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"When":""}`), &v); err != nil || !v.When.Off() {
		t.Errorf("an empty one is %v, %v", v, err)
	}
	if err := json.Unmarshal([]byte(`{"When":"at noon"}`), &v); err == nil {
		t.Error("any text is taken")
	}
}

func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04 -0700"} {
		if v, err := time.ParseInLocation(layout, text, loc); err == nil {
			return v.In(loc)
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

// A daily time comes once on every day, those of clock changes included.
func TestDailyOverClockChanges(t *testing.T) {
	for _, tt := range []struct {
		name, zone, daily, now string
		want                   []string // the next ones, each asked for at the one before
	}{
		{"an ordinary day", "Europe/Berlin", "daily 03:30", "2026-06-10 12:00", []string{"2026-06-11 03:30 +0200", "2026-06-12 03:30 +0200"}},
		{"later today", "Europe/Berlin", "daily 13:00", "2026-06-10 12:00", []string{"2026-06-10 13:00 +0200"}},
		{"the time itself is over", "Europe/Berlin", "daily 12:00", "2026-06-10 12:00", []string{"2026-06-11 12:00 +0200"}},
		{"left out: when clocks are put forward", "Europe/Berlin", "daily 02:30", "2026-03-28 12:00", []string{"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"the first moment that is left out", "Europe/Berlin", "daily 02:00", "2026-03-28 12:00", []string{"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
		{"just after it", "Europe/Berlin", "daily 03:00", "2026-03-28 12:00", []string{"2026-03-29 03:00 +0200"}},
		{"twice: the first of them", "Europe/Berlin", "daily 02:30", "2026-10-24 12:00", []string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"asked between the two", "Europe/Berlin", "daily 02:30", "2026-10-25 02:15 +0100", []string{"2026-10-26 02:30 +0100"}},
		{"after both", "Europe/Berlin", "daily 03:00", "2026-10-24 12:00", []string{"2026-10-25 03:00 +0100"}},
		{"midnight is left out", "America/Asuncion", "daily 00:00", "2023-09-30 12:00", []string{"2023-10-01 01:00 -0300", "2023-10-02 00:00 -0300"}},
		{"midnight is left out, half an hour after", "America/Asuncion", "daily 00:30", "2023-09-30 12:00", []string{"2023-10-01 01:00 -0300"}},
		{"half an hour alone", "Australia/Lord_Howe", "daily 02:15", "2026-10-03 12:00", []string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"ahead of Greenwich by most", "Pacific/Kiritimati", "daily 00:05", "2026-06-10 23:00", []string{"2026-06-11 00:05 +1400"}},
		{"no changes", "UTC", "daily 00:00", "2026-12-31 23:59", []string{"2027-01-01 00:00 +0000"}},
	} {
		s, err := Parse(tt.daily)
		if err != nil {
			t.Fatal(err)
		}
		now := at(t, tt.zone, tt.now)
		for _, want := range tt.want {
			next := s.Next(time.Time{}, now)
			if got := next.Format("2006-01-02 15:04 -0700"); got != want {
				t.Errorf("%s: after %v comes %s, not %s", tt.name, now, got, want)
			}
			now = next
		}
	}
}

// Over years and zones: once a day, never twice, never none.
func TestDailyComesOnceADay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Asuncion", "Asia/Tehran", "UTC"} {
		for _, s := range []Schedule{Daily(0, 0), Daily(1, 59), Daily(2, 0), Daily(2, 30), Daily(3, 0), Daily(23, 59)} {
			now := at(t, zone, "2020-01-01 12:00")
			last := now
			for range 2000 {
				next := s.Next(last, now)
				if gap := next.Sub(now); gap <= 0 || gap > 49*time.Hour {
					t.Fatalf("%s, %s: %v comes %v after %v", zone, s, next, gap, now)
				}
				y, m, d := now.Date()
				if want := time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).YearDay(); now != last && next.YearDay() != want {
					t.Fatalf("%s, %s: after %v comes %v", zone, s, now, next)
				}
				last, now = now, next
			}
		}
	}
}

func TestEvery(t *testing.T) {
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	s := Every(time.Hour)
	for name, tt := range map[string]struct{ last, want time.Time }{
		"never before":           {time.Time{}, now},
		"a while ago":            {now.Add(-20 * time.Minute), now.Add(40 * time.Minute)},
		"missed, it is due once": {now.Add(-100 * time.Hour), now},
		"the clock was put back": {now.Add(3 * time.Hour), now},
		"exactly that long ago":  {now.Add(-time.Hour), now},
	} {
		if got := s.Next(tt.last, now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, not %v", name, got, tt.want)
		}
	}
	if got := (Schedule{}).Next(now.Add(-time.Hour), now); !got.IsZero() {
		t.Errorf("off is due at %v", got)
	}
}

func TestJitterIsKeptAndSpread(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, name := range []string{"adsync/default/sync", "adsync/berlin/sync", "callrecording/default/upload", "insight/default/export", "a", "b", "c", "d"} {
		j := Daily(3, 30).Jitter(name)
		if j < 0 || j >= window || j != Daily(4, 0).Jitter(name) {
			t.Errorf("%s: %v", name, j)
		}
		seen[j/time.Second] = true
		if j := Every(time.Minute).Jitter(name); j < 0 || j >= 6*time.Second {
			t.Errorf("%s: every minute %v", name, j)
		}
	}
	if len(seen) < 5 {
		t.Errorf("they all begin at once: %v", seen)
	}
}
