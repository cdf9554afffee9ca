package sshtunnel

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTheHeapGrowsByABoundedRoom(t *testing.T) {
	for _, c := range []struct{ live, want uint64 }{
		{0, 16 << 20},
		{4 << 20, 24 << 20},
		{20 << 20, 56 << 20},
		{100 << 20, 64 << 20},
		{4 << 30, 64 << 20},
	} {
		if got := room(c.live); got != c.want {
			t.Errorf("room over %d is %d, want %d", c.live, got, c.want)
		}
		if p := percentFor(c.live); p < 1 || p > 2000 {
			t.Errorf("over %d bytes: %d percent", c.live, p)
		}
	}
}

// TestQuietHeapGrowsByLittle where collections are cheap, and by what they can take where many links idle.
func TestQuietHeapGrowsByLittle(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 30}, {4 << 20, 30}, {8 << 20, 15}, {16 << 20, 10}, {24 << 20, 24}, {40 << 20, 66}, {48 << 20, 75}, {400 << 20, 15}, {4 << 30, 15}} {
		if got := quietFor(c.live); got != c.want {
			t.Errorf("%d percent over %d, want %d", got, c.live, c.want)
		}
	}
}

// TestGoalFollowsTheHeap: while much is relayed and collected the goal is far where little lives and near where much does; else it
// is near.
func TestGoalFollowsTheHeap(t *testing.T) {
	const ms = time.Millisecond
	g := goal{percent: quietPercent}
	for _, c := range []struct {
		what    string
		since   time.Duration
		worked  int64
		live    uint64
		want    int
		another bool
	}{
		{"little is collected", time.Second, 0, 4 << 20, 30, false},
		{"much is relayed, and collected now and then", 40 * ms, 10 * busyWork, 4 << 20, 30, false},
		{"much is collected and nothing relayed", 5 * ms, 0, 4 << 20, 30, false},
		{"much is relayed and collected", 5 * ms, busyWork, 4 << 20, 600, true},
		{"no more is relayed for a moment", 200 * ms, 0, 4 << 20, 600, false},
		{"a little more lives", 5 * ms, busyWork, 4<<20 + 100<<10, 600, false},
		{"much lives", 20 * ms, busyWork, 200 << 20, 32, true},
		{"as much lives and nothing is relayed", quietAfter, 0, 200 << 20, 18, true},
		{"some dozen MB live", time.Second, 0, 16 << 20, 10, true},
	} {
		if another := g.follow(c.since, c.worked, c.live); g.percent != c.want || another != c.another {
			t.Errorf("%s: %d percent, set %t, want %d, %t", c.what, g.percent, another, c.want, c.another)
		}
	}
}

// TestTuneFollowsCollections: those of the process, until it is undone, and then all is as before.
func TestTuneFollowsCollections(t *testing.T) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMAXPROCS") != "" {
		t.Skip("skipped: GOGC or GOMAXPROCS is set")
	}
	procs, percent := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	undo := Tune()
	present := func() int {
		p := debug.SetGCPercent(50)
		debug.SetGCPercent(p)
		return p
	}
	// Only two of many collections have to be close to each other, however busy the machine is.
	for deadline := time.Now().Add(time.Minute); present() <= 100; {
		if work.Add(busyWork); time.Now().After(deadline) {
			t.Fatalf("%d percent", present())
		}
		runtime.GC()
	}
	undo()
	if now := runtime.GOMAXPROCS(0); now != procs {
		t.Errorf("%d processors, before %d", now, procs)
	}
	if now := present(); now != percent {
		t.Errorf("%d percent, before %d", now, percent)
	}
}
