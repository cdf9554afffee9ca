package sshtunnel

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// Here is every option that decides how fast a relay is and what it costs, each with its reason, save those of the socket
// beneath SSH, which stand in socket.go, and of memory in huge pages, in hugepages.go. All of them were measured beside ssh:
// cmd/bench does it again.
const (
	// Towards the PBX a big buffer joins many SSH packets, of 32 KiB each, into one write; towards the site one packet is
	// all that a write can carry. Both are taken per connection and direction, and given back with it.
	inBuffer  = 256 << 10
	outBuffer = 32 << 10

	// So many connections have a big one at a time, all others one of a packet: a crowd of readers that have stalled would
	// each hold one that is full.
	maxInBuffers = 64

	// Until it has filled this once a connection has no more: most are idle or say little, and thousands of them would hold
	// half a gigabyte. Towards the site it goes on so until it has carried outBulk: x/crypto/ssh keeps room
	// for the largest packet that was sent until that is shed, 40 KiB of it where the packet was a full one.
	firstBuffer = 8 << 10
	outBulk     = 4 << 20

	// x/crypto/ssh copies every packet into a fresh slice. A heap that may only grow by what lives in it is collected a
	// hundred times a second then, as long as little does; and once much does, as when two hundred readers have stalled,
	// it takes as much again. So while collections follow each other within busyWithin, because busyWork is done between
	// them, the heap may grow by twice what lives and leastRoom, but never by more than mostRoom. Once they are quietAfter apart
	// it may grow by a part of what lives alone, and so while it is handshakes that make the garbage: what is made to last
	// between it would keep its room for good. That part is smaller, down to leastPercent, where some dozen MB live: collections
	// are cheap there. Where little lives there is nothing to save, and where much does, very many links idle, and what they
	// throw away has the heap collected as often as they are many: up to idlePercent there, by which it may grow however much
	// lives, and by idleRoom if that is more.
	leastRoom    = 16 << 20
	mostRoom     = 64 << 20
	quietPercent = 30
	idlePercent  = 15
	idleRoom     = 36 << 20
	leastPercent = 10
	busyWithin   = 30 * time.Millisecond
	busyWork     = 256 << 10
	quietAfter   = 250 * time.Millisecond

	// What a burst of traffic left behind goes back to the system once no more than quietWork was done in so long.
	giveBackAfter = time.Minute
	quietWork     = 64 << 20

	// While other connections have carried something within bulkWaits, those of the bulk lane move bulkSlice between two pauses:
	// 190 MB/s in all. Beside an upload that fills both processors the slowest hundredth of round trips then takes 0.6 ms, and
	// not 7; with twice the slice 1.0 ms, with four times 1.7 ms.
	bulkSlice = 256 << 10
	bulkPause = time.Millisecond
	bulkWaits = 50 * time.Millisecond

	// What each direction of a new connection counts for, in bytes relayed: about the garbage that it makes.
	workOfOne = 16 << 10
)

// work is what all relays of the process have done, in bytes.
var work atomic.Int64

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
		huge := refuseHugePages()
		keepers.Go(func() { keepRoom(stop, huge) })
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
func room(live uint64) uint64 { return min(2*live+leastRoom, mostRoom) }

// percentFor is room as the runtime wants to hear it: in percent of what lives.
func percentFor(live uint64) int {
	live = max(live, 1<<20)
	return int(100 * room(live) / live)
}

// keepRoom sets the collector's goal anew after each collection, and whether there are huge pages.
func keepRoom(stop <-chan struct{}, huge *hugePages) {
	collected := make(chan struct{}, 1)
	now := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	g := goal{percent: quietPercent}
	defer huge.undo()
	var done int64
	for last := time.Now(); ; {
		tellCollection(collected)
		select {
		case <-stop:
			return
		case <-collected:
		}
		since := time.Since(last)
		last = last.Add(since)
		worked := work.Load() - done
		done += worked
		metrics.Read(now)
		live := now[0].Value.Uint64()
		huge.follow(live)
		if g.follow(since, worked, live) {
			debug.SetGCPercent(g.percent)
		}
	}
}

// goal is by how many percent the heap may grow until the next collection.
type goal struct {
	percent int
	busy    bool // collections follow each other closely, because of what is relayed
}

// follow takes a collection, since after the one before: what was done between them, and what lives. It reports whether the
// goal is another one now; while much is relayed small differences are let be.
func (g *goal) follow(since time.Duration, worked int64, live uint64) (another bool) {
	g.busy = since < busyWithin && worked >= busyWork || g.busy && since < quietAfter
	to := quietFor(live)
	if g.busy {
		to = percentFor(live)
	}
	if to == g.percent || g.busy && to <= g.percent+g.percent/16 && to >= g.percent-g.percent/16 {
		return false
	}
	g.percent = to
	return true
}

// quietFor is by how many percent a heap in which live bytes live may grow while little is relayed.
func quietFor(live uint64) int {
	mb := max(live>>20, 1)
	idle := max(idlePercent, idleRoom>>20*100/mb)
	return int(max(min(120/mb, quietPercent), min(mb*mb/24, idle), leastPercent))
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

// giveBack returns memory to the system whenever little has been relayed for a while: the runtime alone keeps what the last
// burst took, and the stacks it grew. Where nothing was collected since there is no more to return.
func giveBack(stop <-chan struct{}) {
	now := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	tick := time.NewTicker(giveBackAfter)
	defer tick.Stop()
	var collected uint64
	var done int64
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		worked := work.Load() - done
		done += worked
		metrics.Read(now)
		if cycles := now[0].Value.Uint64(); cycles != collected && worked < quietWork {
			collected = cycles
			debug.FreeOSMemory()
		}
	}
}
