package sshtunnel

import (
	"io"
	"testing"
)

// written remembers how much was written, and the largest piece so far.
type written struct{ all, largest int }

func (w *written) Write(p []byte) (int, error) {
	w.all += len(p)
	w.largest = max(w.largest, len(p))
	return len(p), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestOnlyBulkGoesInFullPackets: the library keeps room for the largest packet it ever sent, and most links never carry
// bulk towards the site.
func TestOnlyBulkGoesInFullPackets(t *testing.T) {
	for _, c := range []struct {
		what           string
		carried, large int
	}{
		{"as much as most connections carry", outBulk, firstBuffer},
		{"bulk", 2 * outBulk, outBuffer},
	} {
		var w written
		err := pump(&w, io.LimitReader(zeros{}, int64(c.carried)), outBuffers, func(int) {})
		if err != nil || w.all != c.carried || w.largest != c.large {
			t.Errorf("%s: %d of %d bytes carried in pieces of at most %d, want %d: %v", c.what, w.all, c.carried, w.largest, c.large, err)
		}
	}
}
