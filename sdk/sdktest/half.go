package sdktest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufferSize is what one direction holds before its writer waits.
const bufferSize = 64 << 10

// half is one direction of a connection.
type half struct {
	mu      sync.Mutex
	changed sync.Cond // whenever one of the fields below is
	buffer  []byte
	ended   bool  // the writer has said all
	left    bool  // the reader is gone
	err     error // ends both sides
	frozen  bool
	delay   time.Duration
	reader  deadline
	writer  deadline
}

func newHalf() *half {
	h := &half{}
	h.changed.L = &h.mu
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.left:
			return 0, net.ErrClosed
		case h.err != nil:
			return 0, h.err
		case h.reader.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case h.frozen:
		case len(h.buffer) > 0:
			n := copy(p, h.buffer)
			h.buffer = h.buffer[n:]
			h.changed.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) write(p []byte) (written int, err error) {
	h.wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.ended:
			return written, net.ErrClosed
		case h.err != nil:
			return written, h.err
		case h.left:
			return written, syscall.EPIPE
		case h.writer.passed:
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		}
		if n := min(bufferSize-len(h.buffer), len(p)-written); n > 0 {
			h.buffer = append(h.buffer, p[written:written+n]...)
			written += n
			h.changed.Broadcast()
			continue
		}
		h.changed.Wait()
	}
}

// wait is the time that a slow link takes for a write.
func (h *half) wait() {
	h.mu.Lock()
	d := h.delay
	h.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}

func (h *half) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.changed.Broadcast()
}

func (h *half) finish()  { h.change(func() { h.ended = true }) }
func (h *half) abandon() { h.change(func() { h.left = true }) }

func (h *half) fail(err error) { h.change(func() { h.err = err }) }

func (h *half) impair(frozen bool, delay time.Duration) {
	h.change(func() { h.frozen, h.delay = frozen, delay })
}

func (h *half) readUntil(t time.Time)  { h.change(func() { h.reader.set(t, h) }) }
func (h *half) writeUntil(t time.Time) { h.change(func() { h.writer.set(t, h) }) }

// deadline is when one side of a half stops waiting. It is guarded by the half.
type deadline struct {
	passed bool
	timer  *time.Timer // the one that counts; an earlier one that still fires does not
}

func (d *deadline) set(t time.Time, h *half) {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.passed = nil, false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() { h.change(func() { d.passed = d.passed || d.timer == timer }) })
	d.timer = timer
}
