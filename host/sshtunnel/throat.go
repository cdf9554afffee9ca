package sshtunnel

import (
	"sync/atomic"
	"time"
)

// throat bounds how fast a server is read before the login. One that breaks the protocol there leaves nothing by which its
// connection could be unstuck, see unstick: it has to be given up before the library has queued sixteen packets. The library
// gives up at the first, and closes the socket; so it gets little at a time, and time between.
//
// The zero throat is that of a new connection; all but open may be called by anybody.
type throat struct {
	width  atomic.Int32
	sipped int // bytes since the last pause; the reader's
}

// How wide a throat is.
const (
	crumbs int32 = iota // until the keys are exchanged: what is read beyond them is no more than a crumb
	sips                // until the login begins
	gulps
)

// A packet has 36 bytes at least, so a crumb and two sips are sixteen. An honest server says two sips until the login, beside
// its banner.
const (
	crumb   = 64
	sip     = 256
	swallow = 5 * time.Millisecond // after a sip
)

func (t *throat) widen(to int32) { t.width.Store(to) }

// open returns as much of p as may be filled now, after a pause where one is due.
func (t *throat) open(p []byte) []byte {
	switch t.width.Load() {
	case crumbs:
		t.sipped = 0
		return p[:min(len(p), crumb)]
	case sips:
		if t.sipped >= sip {
			time.Sleep(swallow)
			t.sipped = 0
		}
		return p[:min(len(p), sip-t.sipped)]
	}
	return p
}
