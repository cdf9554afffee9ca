package sshtunnel

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestReadingFitsTheLibrary: what the library keeps for packets received is little again once something came after a lull.
func TestReadingFitsTheLibrary(t *testing.T) {
	ctx, l := linkToTest(t)
	b, room := readBuffer(l.conn), readRoom(l.conn)
	if b == nil || room == nil {
		t.Fatal("what the library keeps for packets received is not found")
	}
	began := time.Now()
	receive(ctx, t, l, 4<<20)
	kept := func() (buffer, packet int) {
		for range 2 { // what the reader does once the first has come is done when the second has
			if err := l.Keepalive(ctx); err != nil {
				t.Fatal(err)
			}
		}
		return b.Size(), cap(*room)
	}
	if buffer, packet := kept(); (buffer != wideBuffer || packet < 8<<10) && time.Since(began) < lull {
		t.Errorf("%d and %d bytes are kept after bulk: nothing needs to be freed any more, or it is looked for in the wrong place", buffer, packet)
	}
	for {
		time.Sleep(lull) // something may still have come meanwhile
		buffer, packet := kept()
		if buffer == narrowBuffer && packet <= maxKept {
			break
		}
		if time.Since(began) > 10*lull {
			t.Fatalf("%d and %d bytes are kept by a link that idles, want %d and at most %d", buffer, packet, narrowBuffer, maxKept)
		}
	}
	receive(ctx, t, l, 4<<20)
}

// TestWhatIsWholePackets: one, or several as a proof is answered with, and nothing that ends within one.
func TestWhatIsWholePackets(t *testing.T) {
	packet := func(n byte) []byte { return append([]byte{0, 0, 0, n}, make([]byte, int(n)+16)...) }
	one, two := packet(32), append(packet(32), packet(64)...)
	for what, c := range map[string]struct {
		came []byte
		want bool
	}{
		"nothing":                   {nil, false},
		"a length":                  {one[:4], false},
		"one":                       {one, true},
		"two":                       {two, true},
		"three":                     {append(bytes.Clone(two), one...), true},
		"part of one":               {one[:len(one)-1], false},
		"one and a byte":            {append(bytes.Clone(one), 0), false},
		"one and a length":          {two[:len(one)+4], false},
		"one and part of the other": {two[:len(two)-1], false},
		"more than can be":          {[]byte{255, 255, 255, 255, 0, 0}, false},
	} {
		if got := isPacket(c.came); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

// receive has so many bytes come over l.
func receive(ctx context.Context, t *testing.T, l *Link, bytes int64) {
	t.Helper()
	from, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	go func() {
		if c, err := from.Accept(); err == nil {
			_, _ = c.Write(make([]byte, bytes))
			_ = c.Close()
		}
	}()
	m := tunnel.Mapping{Name: "bulk", Kind: tunnel.Reach, Remote: tunnel.Endpoint{Port: from.Addr().(*net.TCPAddr).Port}}
	if err := l.Apply(ctx, m); err != nil {
		t.Fatal(err)
	}
	c, err := l.Open(ctx, m, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := io.Copy(io.Discard, c); err != nil || n != bytes {
		t.Fatalf("%d of %d bytes came: %v", n, bytes, err)
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
	from.reading.library.Store(&library{buffer: b, room: func() *[]byte { return nil }})
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
	s.reading.note(p[:n], time.Duration(s.random.IntN(2))*lull)
	return n, nil
}
