package sshtunnel

import (
	"bufio"
	"io"
	"sync/atomic"
	"time"
)

// The sizes of the buffer through which x/crypto/ssh reads: its own, which takes many small packets at a time, and the one
// that signs of life and proofs fit in.
const (
	wideBuffer   = 4096
	narrowBuffer = 512
)

// lull is for how long nothing comes, at least, before a link counts as one that idles.
const lull = time.Second

// reading fits the library's buffer to what comes: on a link that idles most of it is for nothing, and most links do. The
// goroutine that reads alone uses it, but for buffer.
type reading struct {
	buffer atomic.Pointer[bufio.Reader] // nil until the login
	narrow bool                         // what it shall be
}

// note takes what came, so long after what came before.
func (r *reading) note(n int, after time.Duration) {
	switch {
	case n >= narrowBuffer:
		r.narrow = false
	case after >= lull:
		r.narrow = true
	}
}

// fit gives the buffer another size where that is due, and reports whether it did: then whoever has called from reads nothing
// and comes again with the new one. While from is read the buffer is empty, and nobody else uses it.
func (r *reading) fit(from io.Reader) bool {
	b, size := r.buffer.Load(), wideBuffer
	if r.narrow {
		size = narrowBuffer
	}
	if b == nil || b.Size() == size || b.Buffered() > 0 {
		return false
	}
	*b = *bufio.NewReaderSize(from, size)
	return true
}
