package sshtunnel

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// The sizes of the buffer through which x/crypto/ssh reads: its own, which takes many small packets at a time, and the one
// that signs of life and proofs fit in.
const (
	wideBuffer   = 4096
	narrowBuffer = 512
)

// lull is for how long nothing comes, at least, before a link counts as one that idles.
const lull = time.Second

// reading fits what the library keeps for packets received to what comes: on a link that idles most of it is for nothing, and
// most links do. That is its buffer, and the room for the largest packet that ever came, 40 KiB after bulk. The goroutine that
// reads alone uses it, but for library.
type reading struct {
	library atomic.Pointer[library] // nil until the login
	narrow  bool                    // what the buffer shall be
	between bool                    // what came last was a packet, and the library is done with it when it reads on
}

// library is x/crypto/ssh as it reads from one socket.
type library struct {
	buffer *bufio.Reader  // nil where it is not found
	room   func() *[]byte // another one after an exchange of keys; nil where there is none
}

// readsBy notes by what is read from now on.
func (r *reading) readsBy(c ssh.Conn) {
	r.library.Store(&library{buffer: readBuffer(c), room: func() *[]byte { return readRoom(c) }})
}

// note takes what came, so long after what came before.
func (r *reading) note(p []byte, after time.Duration) {
	r.between = after >= lull && isPacket(p)
	switch {
	case len(p) >= narrowBuffer:
		r.narrow = false
	case after >= lull:
		r.narrow = true
	}
}

// isPacket reports whether p, which came after a lull, is one packet of AES-GCM, or several, and all of the last: the length
// of each comes first, in the open, and a tag of 16 bytes last. A lull within a packet, and then just such bytes, are the work of
// a server that wants its own link to end: what they have freed was needed, and so nothing there is as it should be.
func isPacket(p []byte) bool {
	for len(p) > 4 {
		size := 4 + uint64(binary.BigEndian.Uint32(p)) + 16
		if size >= uint64(len(p)) {
			return size == uint64(len(p))
		}
		p = p[size:]
	}
	return false
}

// fit frees what is not needed, and gives the buffer another size where that is due. It reports whether it did the latter:
// then whoever has called from reads nothing and comes again with the new one. While from is read the buffer is empty, and
// nobody else uses it.
func (r *reading) fit(from io.Reader) bool {
	l, size := r.library.Load(), wideBuffer
	if l == nil {
		return false
	}
	if r.between {
		r.between = false
		if room := l.room(); room != nil && cap(*room) > maxKept {
			*room = nil
		}
	}
	if r.narrow {
		size = narrowBuffer
	}
	if b := l.buffer; b != nil && b.Size() != size && b.Buffered() == 0 {
		*b = *bufio.NewReaderSize(from, size)
		return true
	}
	return false
}
