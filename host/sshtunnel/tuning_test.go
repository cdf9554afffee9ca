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
	}{{0, 30}, {4 << 20, 30}, {8 << 20, 15}, {16 << 20, 10}, {40 << 20, 20}, {60 << 20, 30}, {4 << 30, 30}} {
		if got := quietFor(c.live); got != c.want {
			t.Errorf("%d percent over %d, want %d", got, c.live, c.want)
		}
	}
}

// TestTuneFollowsTheHeap: while much is relayed and collected the goal is far where little lives and near where much does; else it is
// near. Undone, all is as before.
func TestTuneFollowsTheHeap(t *testing.T) {
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
	reaches := func(what string, want func(int) bool, meanwhile func()) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !want(present()); meanwhile() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d percent", what, present())
			}
		}
	}
	relaying := func() { work.Add(busyWork); runtime.GC() }
	reaches("little lives and much is collected", func(p int) bool { return p > 100 }, relaying)
	much := make([]byte, 200<<20)
	reaches("much lives and much is collected", func(p int) bool { return p < 40 && p > quietPercent }, relaying)
	runtime.KeepAlive(much)
	reaches("little is collected", func(p int) bool { return p <= quietPercent }, func() {
		time.Sleep(quietAfter)
		runtime.GC()
	})
	for range 50 {
		runtime.GC()
	}
	reaches("much is collected and nothing relayed", func(p int) bool { return p <= quietPercent }, runtime.GC)
	undo()
	if now := runtime.GOMAXPROCS(0); now != procs {
		t.Errorf("%d processors, before %d", now, procs)
	}
	if now := present(); now != percent {
		t.Errorf("%d percent, before %d", now, percent)
	}
}
