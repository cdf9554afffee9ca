package sshtunnel

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// TestReadingFitsTheLibrary: the buffer that the library reads through is a small one once something came after a lull, and
// everything still arrives.
func TestReadingFitsTheLibrary(t *testing.T) {
	ctx, l := linkToTest(t)
	b := readBuffer(l.conn)
	if b == nil {
		t.Fatal("the buffer that the library reads through is not found")
	}
	time.Sleep(lull)
	for range 3 { // the first is what comes after the lull; once the second has come the buffer is another one
		if err := l.Keepalive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if b.Size() != narrowBuffer {
		t.Errorf("a link that idles reads through %d bytes, want %d", b.Size(), narrowBuffer)
	}
}

// TestNothingIsLostBetweenBuffers: what comes in pieces of any size, with and without lulls between, is read whole.
func TestNothingIsLostBetweenBuffers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	from := &inPieces{left: sent, random: random, sizes: map[int]int{}}
	b := bufio.NewReader(from)
	from.reading.buffer.Store(b)
	var got []byte
	for len(got) < len(sent) {
		piece := make([]byte, min(1+random.IntN(3*wideBuffer), len(sent)-len(got)))
		if _, err := io.ReadFull(b, piece); err != nil {
			t.Fatal(err)
		}
		from.sizes[b.Size()]++
		got = append(got, piece...)
	}
	if !bytes.Equal(got, sent) {
		t.Error("something else was read than was sent")
	}
	if from.sizes[wideBuffer] == 0 || from.sizes[narrowBuffer] == 0 || len(from.sizes) != 2 {
		t.Errorf("read through buffers of these sizes: %v", from.sizes)
	}
}

// inPieces is a socket whose peer sends a piece at a time.
type inPieces struct {
	reading reading
	left    []byte
	random  *rand.Rand
	sizes   map[int]int
}

func (s *inPieces) Read(p []byte) (int, error) {
	if s.reading.fit(s) {
		return 0, nil
	}
	n := copy(p[:min(1+s.random.IntN(2*narrowBuffer), len(p))], s.left)
	s.left = s.left[n:]
	s.reading.note(n, time.Duration(s.random.IntN(2))*lull)
	return n, nil
}
