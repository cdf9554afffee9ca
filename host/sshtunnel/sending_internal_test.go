package sshtunnel

import (
	"net"
	"testing"
)

// TestUnsentIsBoundedInTime: ten milliseconds of what the peer takes, but never less than what costs nothing on a slow path.
func TestUnsentIsBoundedInTime(t *testing.T) {
	for rate, want := range map[uint64]int{
		0:             minUnsent,
		1_000_000:     minUnsent,
		50_000_000:    500_000,
		1_000_000_000: maxUnsent,
		1 << 63:       maxUnsent,
	} {
		if got := unsentAt(rate); got != want {
			t.Errorf("at %d bytes a second %d, want %d", rate, got, want)
		}
	}
}

// TestAPacketGoesOutWhole: its first part waits for the rest, where the rest is known to come, and nowhere else.
func TestAPacketGoesOutWhole(t *testing.T) {
	const packets = 20
	for _, c := range []struct {
		joins    bool
		min, max uint32
	}{{false, packets + packets/2 + 1, 2 * packets}, {true, packets, packets + packets/2}} { // a busy machine may hold more, or less
		s, arrived := sendingTo(t, c.joins)
		for i := range packets {
			for _, n := range []int{libraryBuffer, 1000} {
				if written, err := s.Write(make([]byte, n)); err != nil || written != n {
					t.Fatalf("wrote %d of %d: %v", written, n, err)
				}
			}
			for (<-arrived) < (i+1)*(libraryBuffer+1000) { // each goes out alone: the kernel joins what it has queued
			}
		}
		if sent := s.info().Data_segs_out; sent < c.min || sent > c.max {
			t.Errorf("joins %v: %d packets in %d segments", c.joins, packets, sent)
		}
		s.Close()
		for range arrived {
		}
	}
}

// TestTheBoundFollowsTheRate of a peer that takes all at once.
func TestTheBoundFollowsTheRate(t *testing.T) {
	s, arrived := sendingTo(t, true)
	go func() {
		for range arrived {
		}
	}()
	for range 64 * unsentEvery / (64 << 10) {
		if _, err := s.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if s.sending.unsent <= minUnsent {
		t.Errorf("the bound stays at %d at %d bytes a second", s.sending.unsent, s.info().Delivery_rate)
	}
	s.Close()
}

// sendingTo returns a socket to a peer that reads all, and where it tells after each read how much that was so far.
func sendingTo(t *testing.T, joins bool) (*socket, <-chan int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan int)
	go func() {
		defer close(arrived)
		c, err := l.Accept()
		_ = l.Close() // not before: what waits to be accepted would be reset
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 64<<10)
		for all := 0; ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			all += n
			arrived <- all
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSocket(c.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	if joins {
		s.sending.first.Store(libraryBuffer)
	}
	return s, arrived
}
