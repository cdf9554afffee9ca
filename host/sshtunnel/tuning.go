package sshtunnel

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Here is every option that decides how fast a relay is and what it costs, each with its reason, save those of the socket
// beneath SSH, which stand in socket.go. All of them were measured beside ssh: cmd/bench does it again.
const (
	// Towards the PBX a big buffer joins many SSH packets, of 32 KiB each, into one write; towards the site one packet is
	// all that a write can carry. Both are taken per connection and direction, and given back with it.
	inBuffer  = 256 << 10
	outBuffer = 32 << 10

	// So many connections have a big one at a time, all others one of a packet: a crowd of readers that have stalled would
	// each hold one that is full.
	maxInBuffers = 64

	// Until it has filled this once a connection has no more: most are idle or say little, and thousands of them would hold
	// half a gigabyte.
	firstBuffer = 8 << 10

	// x/crypto/ssh copies every packet into a fresh slice. A heap that may only grow by what lives in it is collected a
	// hundred times a second then, as long as little does; and once much does, as when two hundred readers have stalled,
	// it takes as much again. So while collections follow each other within busyWithin the heap may grow by what lives and
	// leastRoom, but never by more than mostRoom. Once they are quietAfter apart it may grow by a part of what lives
	// alone: what is made to last between the garbage of many handshakes would keep that garbage's room for good.
	leastRoom    = 16 << 20
	mostRoom     = 64 << 20
	quietPercent = 30
	busyWithin   = 30 * time.Millisecond
	quietAfter   = 250 * time.Millisecond

	// What a burst of traffic left behind goes back to the system when it has been quiet for so long.
	giveBackAfter = time.Minute
)

// Tune sets what concerns the whole process, for a program that relays and does little else. What GOMAXPROCS and GOGC in
// the environment say, it leaves. The result undoes it; Tune is called once.
func Tune() (undo func()) {
	procs, percent := runtime.GOMAXPROCS(0), 0
	if os.Getenv("GOMAXPROCS") == "" {
		// Each packet passes through three goroutines: waking another thread for each costs more than it brings while
		// the processors are shared with those who send and receive.
		runtime.GOMAXPROCS(max(1, procs/2))
	}
	stop := make(chan struct{})
	var keepers sync.WaitGroup
	keepers.Go(func() { giveBack(stop) })
	if os.Getenv("GOGC") == "" {
		percent = debug.SetGCPercent(quietPercent)
		keepers.Go(func() { keepRoom(stop) })
	}
	return func() {
		close(stop)
		keepers.Wait()
		runtime.GOMAXPROCS(procs)
		if percent != 0 {
			debug.SetGCPercent(percent)
		}
	}
}

// room is by how much a heap may grow in which live bytes live.
func room(live uint64) uint64 { return min(live+leastRoom, mostRoom) }

// percentFor is room as the runtime wants to hear it: in percent of what lives.
func percentFor(live uint64) int {
	live = max(live, 1<<20)
	return int(100 * room(live) / live)
}

// keepRoom sets the collector's goal anew after each collection.
func keepRoom(stop <-chan struct{}) {
	collected := make(chan struct{}, 1)
	now := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set, busy := quietPercent, false
	for last := time.Now(); ; {
		tellCollection(collected)
		select {
		case <-stop:
			return
		case <-collected:
		}
		since := time.Since(last)
		last = last.Add(since)
		busy = since < busyWithin || busy && since < quietAfter
		to := quietPercent
		if busy {
			metrics.Read(now)
			to = percentFor(now[0].Value.Uint64())
		}
		if to != set && (!busy || to > set+set/16 || to < set-set/16) {
			set = to
			debug.SetGCPercent(to)
		}
	}
}

// tellCollection leaves a note in c after the next collection.
func tellCollection(c chan<- struct{}) {
	unreachable := new([64]byte)
	runtime.AddCleanup(unreachable, func(c chan<- struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}, c)
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
