package sshtunnel

import (
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often a relay is looked at that may be dead, and how long a write to the site takes until it may be.
const watchEvery = 250 * time.Millisecond

// watch looks after one relay whose goroutines would not notice its end: while nothing is read from the local side, since
// a write to the site waits or the local side has ended its direction, nobody learns that the local side is gone. A relay
// that merely idles is not looked at.
type watch struct {
	moved   atomic.Int64 // when something was carried last, by monotonic
	writing atomic.Bool  // a write to the site is under way
	stuck   *time.Timer  // fires when that takes long
	ticker  *time.Ticker
	tick    <-chan time.Time // nil while there is nothing to look at
}

func newWatch() *watch {
	w := &watch{stuck: time.NewTimer(time.Hour), ticker: time.NewTicker(watchEvery)}
	w.stuck.Stop()
	w.ticker.Stop()
	w.touch()
	return w
}

func (w *watch) stop() {
	w.stuck.Stop()
	w.ticker.Stop()
}

func (w *watch) touch() { w.moved.Store(monotonic(time.Now())) }

// over reports whether the relay is dead: its local side is gone, or part of it has ended and nothing came for the time
// that half a connection may be silent. passed says that the local side's end has been passed on to the site.
func (w *watch) over(local any, ended, passed bool, halfDead time.Duration) bool {
	if !ended && !w.writing.Load() {
		w.ticker.Stop()
		w.tick = nil
		return false
	}
	if w.tick == nil {
		w.ticker.Reset(watchEvery)
		w.tick = w.ticker.C
	}
	hungUp, broken := peek(local)
	if broken || hungUp && passed {
		return true
	}
	silent := monotonic(time.Now()) - w.moved.Load()
	return (ended || hungUp) && silent >= int64(halfDead)
}

// peek asks the kernel about a socket without reading from it: hungUp when neither side can send any more, though what
// was sent may still be read; broken when it was reset, or closed here.
func peek(c any) (hungUp, broken bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true, true
	}
	fds := []unix.PollFd{{}}
	err = raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		_, _ = unix.Poll(fds, 0)
	})
	if err != nil {
		return true, true
	}
	return fds[0].Revents&unix.POLLHUP != 0, fds[0].Revents&unix.POLLERR != 0
}

// watched is the site's side of a relay that is looked after.
type watched struct {
	end
	w *watch
}

func (s watched) Read(p []byte) (int, error) {
	n, err := s.end.Read(p)
	s.w.touch()
	return n, err
}

func (s watched) Write(p []byte) (int, error) {
	s.w.writing.Store(true)
	s.w.stuck.Reset(watchEvery)
	n, err := s.end.Write(p)
	s.w.stuck.Stop()
	s.w.writing.Store(false)
	s.w.touch()
	return n, err
}
