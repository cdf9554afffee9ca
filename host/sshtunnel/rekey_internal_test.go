package sshtunnel

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a burst at once, then one every 20 ms, and a burst again after a second.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		took := func(n int) time.Duration {
			began := time.Now()
			for range n {
				p.wait()
			}
			return time.Since(began)
		}
		if d := took(50); d != 0 {
			t.Errorf("a burst took %v", d)
		}
		if d := took(100); d != 2*time.Second {
			t.Errorf("100 more took %v, want 2 s", d)
		}
		time.Sleep(time.Second)
		if d := took(51); d != 20*time.Millisecond {
			t.Errorf("a burst and one more took %v", d)
		}
	})
}
