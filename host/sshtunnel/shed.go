package sshtunnel

import (
	"reflect"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxKept is the room for packets that a link may keep while nothing asks for more: proofs and signs of life fit in.
const maxKept = 1 << 10

// shed frees the room that x/crypto/ssh keeps, for as long as the link lives, for the largest packet that was ever sent:
// 10 KiB where 8 KiB were, 40 KiB after bulk. It waits for nobody: while a packet is written the room is needed.
//
// What is kept for packets received is in the hands of the goroutine that waits for the next one, and stays.
func shed(c ssh.Conn) {
	withRoom(c, func(kept *[]byte) {
		if cap(*kept) > maxKept {
			*kept = nil
		}
	})
}

// withRoom lets use have the room that the library keeps for packets to send, under the lock it holds while it writes
// one. It does not where there is none, as with ciphers other than AES-GCM, where that lock is held, nor while keys are
// exchanged: then the library writes without it. All this is in fields that it does not export, as those of unstick; a
// version without them is noticed by TestShedFitsTheLibrary.
func withRoom(c ssh.Conn, use func(kept *[]byte)) {
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
	if kept := at[[]byte](buf); kept != nil {
		use(kept)
	}
}
