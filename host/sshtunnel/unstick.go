package sshtunnel

import (
	"reflect"
	"sync"
	"unsafe"

	"golang.org/x/crypto/ssh"
)

// x/crypto/ssh leaves goroutines behind of a connection that it has given up because the server broke the protocol. What
// is here frees them, by fields of the library that it does not export: whoever is cut off and comes back could fill the
// PBX's memory else, and Run would not return. A version of the library without those fields is noticed by
// TestUnstickFitsTheLibrary and by the test of hostile servers.

// unstick frees the goroutine that reads packets: if the server has sent more than sixteen it waits for ever for someone
// to take the next one, and Wait never returns. Only the library's own reader takes packets, so this does, in its place;
// it returns when the reader has ended, which the end of the socket brings about.
//
// c is what the library gave: an ssh.Conn whose channels have ended, or the metadata of one that failed.
func unstick(c any) {
	incoming, ok := follow(reflect.ValueOf(c), "transport", "incoming")
	if !ok {
		return
	}
	if packets := at[chan []byte](incoming); packets != nil { // set once, when the connection is made
		for range *packets {
		}
	}
}

// freeOpens frees the calls of OpenChannel that began after the library had told all channels of the connection's end:
// nobody tells those, and their packets count as written while keys are exchanged. It must be called after Wait has
// returned, when nobody but those calls uses the channels, and again as long as some may begin.
func freeOpens(c ssh.Conn) {
	list, ok := follow(reflect.ValueOf(c), "mux", "chanList")
	if !ok {
		return
	}
	lock := at[sync.Mutex](list.FieldByName("Mutex"))
	channels := list.FieldByName("chans")
	if lock == nil || channels.Kind() != reflect.Slice {
		return
	}
	lock.Lock()
	defer lock.Unlock()
	for i := range channels.Len() {
		message, ok := follow(channels.Index(i), "msg")
		if !ok {
			continue // the place of a channel that has gone
		}
		if messages := at[chan any](message); messages != nil {
			select {
			case *messages <- nil: // not an answer the library knows, so OpenChannel fails
			default: // it was told
			}
		}
	}
}

// follow goes from a pointer to a struct by the names of its fields, through pointers and interfaces.
func follow(v reflect.Value, fields ...string) (reflect.Value, bool) {
	for _, field := range fields {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return reflect.Value{}, false
		}
		if v = v.FieldByName(field); !v.IsValid() {
			return reflect.Value{}, false
		}
	}
	return v, true
}

// at is the variable that v stands for, nil when it is of another type.
func at[T any](v reflect.Value) *T {
	if !v.IsValid() || !v.CanAddr() || v.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(unsafe.Pointer(v.UnsafeAddr()))
}
