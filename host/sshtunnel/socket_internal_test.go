package sshtunnel

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// TestLetInByTheLastBytes: the bytes that let us in and the note that they did come at the same time, and the note counts.
func TestLetInByTheLastBytes(t *testing.T) {
	s := &socket{}
	var begin, end atomic.Int64
	defer begin.Store(300_000) // ends the other
	go func() {
		for i := int64(1); i <= 300_000; i++ {
			for begin.Load() < i {
				runtime.Gosched()
			}
			s.letIn()
			end.Store(i)
		}
	}()
	for i := int64(1); i <= 300_000 && !t.Failed(); i++ {
		s.before.Store(maxBefore)
		begin.Store(i)
		if !s.maySay(1) {
			t.Error("a server that let us in is said to talk on and on")
		}
		for end.Load() < i {
			runtime.Gosched()
		}
		if left := s.before.Load(); left >= 0 {
			t.Fatalf("it may say %d bytes more", left)
		}
	}
}

// TestHowMuchAServerMaySay before it lets us in: so much, and not a byte more.
func TestHowMuchAServerMaySay(t *testing.T) {
	s := &socket{}
	s.before.Store(100)
	if !s.maySay(60) || !s.maySay(40) || s.maySay(1) || s.maySay(1) {
		t.Error("it may not say just 100 bytes")
	}
	s.letIn()
	if !s.maySay(1 << 30) {
		t.Error("it may not say all it wants when it has let us in")
	}
}
