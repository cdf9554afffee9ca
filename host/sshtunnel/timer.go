package sshtunnel

import (
	"sync"
	"time"
)

// timer is one deadline of a connection: a channel that is closed once the time has come, a new one each time it is set
// after that.
type timer struct {
	mu   sync.Mutex
	t    *time.Timer
	done chan struct{}
}

func newTimer() *timer { return &timer{done: make(chan struct{})} }

// set moves the deadline; the zero time means none. Waits under way follow it.
func (d *timer) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t != nil && !d.t.Stop() {
		<-d.done // it has run or is about to
	}
	d.t = nil
	if isClosed(d.done) {
		d.done = make(chan struct{})
	}
	if at.IsZero() {
		return
	}
	left, done := time.Until(at), d.done
	if left <= 0 {
		close(done)
		return
	}
	d.t = time.AfterFunc(left, func() { close(done) })
}

// wait returns the channel that is closed at the deadline.
func (d *timer) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *timer) expired() bool { return isClosed(d.wait()) }

// monotonic is t as a number that can be kept in an atomic and compared, whatever happens to the clock on the wall.
func monotonic(t time.Time) int64 { return int64(t.Sub(began)) }

var began = time.Now()

// closedBefore is closed: for what nobody needs to wait for.
var closedBefore = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
