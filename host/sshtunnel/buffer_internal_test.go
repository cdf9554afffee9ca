package sshtunnel

import "testing"

func TestBigBuffersAreBounded(t *testing.T) {
	big := newBuffers(1<<10).atMost(2, newBuffers(1<<5))
	var backs []func()
	for i, want := range []int{1 << 10, 1 << 10, 1 << 5, 1 << 5} {
		b, back := big.take()
		if len(b) != want {
			t.Errorf("buffer %d has %d bytes, want %d", i, len(b), want)
		}
		backs = append(backs, back)
	}
	for _, back := range backs {
		back()
	}
	if b, back := big.take(); len(b) != 1<<10 {
		t.Errorf("given back, there is one of %d bytes", len(b))
	} else {
		back()
	}
}
