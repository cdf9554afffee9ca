package sshtunnel

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Here is every option that decides how fast a relay is and what it costs, each with its reason. All of them were measured
// beside ssh: cmd/bench does it again.
const (
	// Towards the PBX a big buffer joins many SSH packets, of 32 KiB each, into one write; towards the site one packet is
	// all that a write can carry. Both are taken per connection and direction, and given back with it.
	inBuffer  = 256 << 10
	outBuffer = 32 << 10

	// Until it has filled this once a connection has no more: most are idle or say little, and thousands of them would hold
	// half a gigabyte.
	firstBuffer = 8 << 10

	// x/crypto/ssh copies every packet into a fresh slice, and a small heap is collected a hundred times a second then.
	// This much of it is never touched: it costs address space, raises the collector's goal, and under load the daemon
	// grows by as much.
	ballast = 16 << 20

	// What a burst of traffic left behind goes back to the system when it has been quiet for so long.
	giveBackAfter = time.Minute
)

// Tune sets what concerns the whole process, for a program that relays and does little else. What it sets by itself,
// GOMAXPROCS in the environment overrides. The result undoes it; Tune is called once.
func Tune() (undo func()) {
	before := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		// Each packet passes through three goroutines: waking another thread for each costs more than it brings while
		// the processors are shared with those who send and receive.
		runtime.GOMAXPROCS(max(1, before/2))
	}
	floor := make([]byte, ballast)
	stop := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() {
		giveBack(stop)
		runtime.KeepAlive(floor)
	})
	return func() {
		close(stop)
		keeper.Wait()
		runtime.GOMAXPROCS(before)
	}
}

// giveBack returns memory to the system whenever the daemon has been quiet: the runtime alone keeps what the last burst
// took, and the stacks it grew, for as long as nothing is collected.
func giveBack(stop <-chan struct{}) {
	const (
		collections = "/gc/cycles/automatic:gc-cycles"
		unused      = "/memory/classes/heap/free:bytes"
	)
	now := []metrics.Sample{{Name: collections}, {Name: unused}}
	tick := time.NewTicker(giveBackAfter)
	defer tick.Stop()
	var seen uint64
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		metrics.Read(now)
		cycles := now[0].Value.Uint64()
		quiet := cycles-seen <= 1 // the one that is made every two minutes in any case
		seen = cycles
		if quiet && now[1].Value.Uint64() > 0 {
			debug.FreeOSMemory()
		}
	}
}
