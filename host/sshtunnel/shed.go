package sshtunnel

import (
	"bufio"
	"reflect"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxKept is the room for packets that a link may keep while nothing asks for more: proofs and signs of life fit in.
const maxKept = 1 << 10

// shed frees the room for packets to send that x/crypto/ssh keeps for as long as the link lives: that of the largest that
// was ever sent, 10 KiB where 8 KiB were, 40 KiB after bulk, and most of its buffer before the socket. It waits for nobody:
// while a packet is written the room is needed. What is kept for packets received is reading's.
func (l *Link) shed() {
	withRoom(l.conn, func(packet *[]byte, before *bufio.Writer) {
		if cap(*packet) > maxKept {
			*packet = nil
		}
		if before.Size() > firstPart {
			*before = *bufio.NewWriterSize(l.sock, firstPart) // empty: whoever writes a packet flushes it
			l.sock.sending.first.Store(firstPart)
		}
	})
}

// withRoom lets use have what the library keeps for packets to send, under the lock it holds while it writes one: the last
// packet, and the buffer through which it went to the socket. It does not where there is none, as with ciphers other than
// AES-GCM, where that lock is held, nor while keys are exchanged: then the library writes without it. All this is in fields
// that it does not export, as those of unstick; a version without them is noticed by TestShedFitsTheLibrary.
func withRoom(c ssh.Conn, use func(packet *[]byte, before *bufio.Writer)) {
	transport, ok := follow(reflect.ValueOf(c), "transport")
	if !ok {
		return
	}
	lock, _ := follow(transport, "mu")
	exchange, ok := follow(transport, "sentInitMsg")
	mu := at[sync.Mutex](lock)
	if mu == nil || !ok || exchange.Kind() != reflect.Pointer || !mu.TryLock() {
		return
	}
	defer mu.Unlock()
	if !exchange.IsNil() {
		return
	}
	buf, _ := follow(transport, "conn", "writer", "packetCipher", "buf")
	writer, _ := follow(transport, "conn", "bufWriter")
	packet, before := at[[]byte](buf), at[*bufio.Writer](writer)
	if packet != nil && before != nil {
		use(packet, *before)
	}
}

// readBuffer is the buffer through which the library reads, nil where it is not found.
func readBuffer(c ssh.Conn) *bufio.Reader {
	reader, _ := follow(reflect.ValueOf(c), "transport", "conn", "bufReader")
	if buffer := at[*bufio.Reader](reader); buffer != nil {
		return *buffer
	}
	return nil
}

// readRoom is the room for packets that it reads, nil where there is none, as with ciphers other than AES-GCM. It belongs to
// the goroutine that reads.
func readRoom(c ssh.Conn) *[]byte {
	buf, _ := follow(reflect.ValueOf(c), "transport", "conn", "reader", "packetCipher", "buf")
	return at[[]byte](buf)
}
