package pluginhost

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// How fast a module's output is read, in bytes a second and at once: more than any log needs, and little enough that a
// module that floods it is slowed down by the full pipe instead of keeping the host busy.
const (
	outputRate  = 256 << 10
	outputBurst = 1 << 20
)

// pipe is the host's end of a module's standard output or error, for one reader at a time.
type pipe struct {
	*os.File
	pace  wire.Pace
	also  io.Writer // gets what is read
	once  sync.Once
	ended chan struct{} // closed when nothing more can be read
}

func newPipe(f *os.File, also io.Writer) *pipe {
	return &pipe{File: f, also: also, pace: wire.Pace{Rate: outputRate, Burst: outputBurst}, ended: make(chan struct{})}
}

// Read reads no faster than the rate allows.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.File.Read(b)
	_, _ = p.also.Write(b[:n])
	if err != nil {
		p.once.Do(func() { close(p.ended) })
	}
	time.Sleep(p.pace.Take(n)) // at most what one buffer is worth
	return n, err
}

// slowly is a writer that takes no more than the rate allows, for one writer at a time.
type slowly struct {
	w    io.Writer
	pace wire.Pace
}

func newSlowly(w io.Writer) *slowly {
	return &slowly{w: w, pace: wire.Pace{Rate: outputRate, Burst: outputBurst}}
}

// Write writes p and waits for its worth.
func (s *slowly) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	time.Sleep(s.pace.Take(len(p)))
	return n, err
}
