package sshtunnel

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestHugePagesWhereMuchLives alone, and until it is undone.
func TestHugePagesWhereMuchLives(t *testing.T) {
	refused := func() bool {
		n, err := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n != 0
	}
	before := refused()
	h := refuseHugePages()
	defer h.undo()
	for _, c := range []struct {
		live    uint64
		refused bool
	}{{0, true}, {hugeFrom - 1, true}, {hugeFrom, before}, {hugeFrom - 1, before}, {hugeFrom/2 - 1, true}, {hugeFrom - 1, true}} {
		if h.follow(c.live); refused() != c.refused {
			t.Errorf("with %d bytes they are refused: %t, want %t", c.live, refused(), c.refused)
		}
	}
	if h.undo(); refused() != before {
		t.Errorf("afterwards they are refused: %t, want %t", refused(), before)
	}
}
