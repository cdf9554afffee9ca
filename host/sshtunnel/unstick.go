package sshtunnel

import (
	"reflect"
	"unsafe"
)

// unstick frees what x/crypto/ssh leaves behind of a connection that it has given up because the server broke the
// protocol: the goroutine that reads packets then waits for ever for someone to take the next one, if the server has sent
// more than sixteen, and Wait never returns. Whoever is cut off and comes back could so fill the PBX's memory. Only the
// library's own reader takes packets, so this does, in its place; it returns when the reader has ended, which the end of
// the socket brings about.
//
// c is what the library gave: an ssh.Conn whose channels have ended, or the metadata of one that failed.
func unstick(c any) {
	for range packets(c) {
	}
}

// packets is where the library passes on what it has read. A version of it without that is noticed by the test of hostile
// servers.
func packets(c any) <-chan []byte {
	v := reflect.ValueOf(c)
	for _, field := range []string{"transport", "incoming"} {
		if v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return noPackets
		}
		if v = v.Elem().FieldByName(field); !v.IsValid() {
			return noPackets
		}
	}
	if !v.CanAddr() || v.Type() != reflect.TypeFor[chan []byte]() {
		return noPackets
	}
	return *(*chan []byte)(unsafe.Pointer(v.UnsafeAddr())) // set once, when the connection is made
}

// noPackets is closed: there is nothing to take.
var noPackets = func() chan []byte { c := make(chan []byte); close(c); return c }()
