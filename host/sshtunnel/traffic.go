package sshtunnel

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// traffic counts what one mapping carries.
type traffic struct {
	places  places        // taken, by the host's own proofs among others
	open    atomic.Int64  // connections of others that are relayed
	total   atomic.Uint64 // those that ever were
	refused atomic.Uint64
	inward  atomic.Uint64 // bytes from the site to the PBX
	outward atomic.Uint64
	target  atomic.Int64 // when the service behind was last found there, Unix nanoseconds
	exposes bool         // the service is on the PBX: what it says goes outward
	bulk    bool         // it makes way for all others
	callers callers
}

// newTraffic counts for m.
func newTraffic(m tunnel.Mapping) *traffic {
	return &traffic{
		exposes: m.Kind.Exposes(), bulk: m.Lane == tunnel.LaneBulk, places: places{of: "of one mapping", most: maxConnections},
	}
}

// in counts bytes to the PBX, and waits where they are to make way.
func (t *traffic) in(n int) {
	t.inward.Add(uint64(n))
	if !t.exposes {
		t.found()
	}
	t.pass(n)
}

// out counts bytes to the site, and waits where they are to make way.
func (t *traffic) out(n int) {
	t.outward.Add(uint64(n))
	if t.exposes {
		t.found()
	}
	t.pass(n)
}

func (t *traffic) pass(n int) {
	if t.bulk {
		theRoad.pass(n)
	} else {
		theRoad.speak()
	}
}

// found notes that the service behind the mapping is there now.
func (t *traffic) found() { t.target.Store(time.Now().UnixNano()) }

// visit is a connection to a mapping, which counts once it is known to be somebody else's and has reached the service.
type visit struct {
	to   *traffic
	from string

	mu      sync.Mutex
	foreign bool // somebody else's
	reached bool // it got to the service
	left    func()
	over    bool
}

// visit is one of who, as a server or a module calls him.
func (t *traffic) visit(who string) *visit { return &visit{to: t, from: callerName(who)} }

// begin says that it is somebody else's. Again, or after its end, that does nothing.
func (v *visit) begin() { v.count(&v.foreign) }

// arrive says that it has reached the service. Again, or after its end, that does nothing.
func (v *visit) arrive() { v.count(&v.reached) }

// count notes one of the two, and counts the visit from when both are so.
func (v *visit) count(is *bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*is = true
	if !v.foreign || !v.reached || v.over || v.left != nil {
		return
	}
	v.to.found()
	v.to.open.Add(1)
	v.to.total.Add(1)
	v.left = v.to.callers.came(v.from)
}

// end counts it as gone, once.
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left != nil && !v.over {
		v.to.open.Add(-1)
		v.left()
	}
	v.over = true
}

// Traffic is what one mapping has carried.
type Traffic struct {
	Open    int             // connections of others, now
	Total   uint64          // of them ever
	Refused uint64          // connections, because too many were open
	In, Out uint64          // bytes, from the site and to it
	Callers []tunnel.Caller // who connected, the latest first, at most tunnel.MaxCallers
	Target  time.Time       // when a connection of others last reached the service behind it, zero for never
}

// read returns what was counted so far.
func (t *traffic) read() Traffic {
	out := Traffic{
		Open: int(t.open.Load()), Total: t.total.Load(), Refused: t.refused.Load(),
		In: t.inward.Load(), Out: t.outward.Load(), Callers: t.callers.list(),
	}
	if at := t.target.Load(); at != 0 {
		out.Target = time.Unix(0, at)
	}
	return out
}
