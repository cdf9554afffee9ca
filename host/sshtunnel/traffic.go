package sshtunnel

import (
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxConnections bounds the connections of one mapping that are open at a time; more are refused, on the PBX with a
// reset, at the server as a shortage of resources. extraForProofs is kept free for the host's own proofs, which come
// from outside like everybody else.
const (
	maxConnections = 512
	extraForProofs = 32
)

// traffic counts what one mapping carries.
type traffic struct {
	places  atomic.Int64  // taken, the host's own proofs among them
	open    atomic.Int64  // connections of others that are relayed
	inward  atomic.Uint64 // bytes from the site to the PBX
	outward atomic.Uint64
	target  atomic.Int64 // when the service behind was last found there, Unix nanoseconds
	exposes bool         // the service is on the PBX: what it says goes outward
	refused atomic.Uint64
}

// admit takes a place for a connection among limit; release gives it back.
func (t *traffic) admit(limit int64) (release func(), ok bool) {
	if t.places.Add(1) > limit {
		t.places.Add(-1)
		t.refused.Add(1)
		return nil, false
	}
	return func() { t.places.Add(-1) }, true
}

// opened counts a connection until the result is called.
func (t *traffic) opened() (closed func()) {
	t.found()
	t.open.Add(1)
	return func() { t.open.Add(-1) }
}

// in counts bytes to the PBX.
func (t *traffic) in(n int) {
	t.inward.Add(uint64(n))
	if !t.exposes {
		t.found()
	}
}

// out counts bytes to the site.
func (t *traffic) out(n int) {
	t.outward.Add(uint64(n))
	if t.exposes {
		t.found()
	}
}

// found notes that the service behind the mapping is there now.
func (t *traffic) found() { t.target.Store(time.Now().UnixNano()) }

// Traffic is what one mapping has carried.
type Traffic struct {
	Open    int       // connections of others, now
	Refused uint64    // connections, because too many were open
	In, Out uint64    // bytes, from the site and to it
	Target  time.Time // when a connection of others last reached the service behind it, zero for never
}

// read returns what was counted so far.
func (t *traffic) read() Traffic {
	out := Traffic{Open: int(t.open.Load()), Refused: t.refused.Load(), In: t.inward.Load(), Out: t.outward.Load()}
	if at := t.target.Load(); at != 0 {
		out.Target = time.Unix(0, at)
	}
	return out
}

// newTraffic counts for m.
func newTraffic(m tunnel.Mapping) *traffic { return &traffic{exposes: m.Kind.Exposes()} }
