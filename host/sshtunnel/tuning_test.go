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
		{4 << 20, 20 << 20},
		{20 << 20, 36 << 20},
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

// TestTuneFollowsTheHeap: with much alive the collector's goal is near, with little it is far; undone, all is as before.
func TestTuneFollowsTheHeap(t *testing.T) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMAXPROCS") != "" {
		t.Skip("skipped: GOGC or GOMAXPROCS is set")
	}
	procs, percent := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	undo := Tune()
	much := make([]byte, 200<<20)
	present := func() int {
		p := debug.SetGCPercent(50)
		debug.SetGCPercent(p)
		return p
	}
	for deadline := time.Now().Add(10 * time.Second); present() > 40; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d percent with %d MB alive", present(), len(much)>>20)
		}
		runtime.GC()
	}
	runtime.KeepAlive(much)
	undo()
	if now := runtime.GOMAXPROCS(0); now != procs {
		t.Errorf("%d processors, before %d", now, procs)
	}
	if now := present(); now != percent {
		t.Errorf("%d percent, before %d", now, percent)
	}
}
