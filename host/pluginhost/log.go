package pluginhost

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// What a module may log.
const (
	maxLine   = 2048 // bytes of one line, the rest is cut
	lineRate  = 100  // lines a second,
	lineBurst = 2000 // and at once: room for the trace of a crash
)

// moduleLog brings what a module writes into its ring: one line each, escaped, cut, no faster than the rate. As a writer
// it takes the module's standard output. It is safe for concurrent use.
type moduleLog struct {
	ring *ring
	fail func(error) // told when the ring cannot be written, once until it can again

	mu      sync.Mutex
	rate    wire.Pace
	dropped int
	failing bool
	rest    []byte // of the standard output, the line that is not whole yet
}

var _ io.Writer = (*moduleLog)(nil)

func newModuleLog(r *ring, fail func(error)) *moduleLog {
	return &moduleLog{ring: r, fail: fail, rate: wire.Pace{Rate: lineRate, Burst: lineBurst}}
}

// say adds a line of the host's own.
func (l *moduleLog) say(format string, args ...any) {
	l.add(hclog.Info, "culvertd: "+fmt.Sprintf(format, args...))
}

// Write takes standard output, line by line.
func (l *moduleLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole && len(line) < maxLine {
			return len(p), nil
		}
		l.addLocked(hclog.Info, string(line))
		l.rest = append([]byte(nil), rest...)
	}
}

// add adds one line: text is the module's, however long and whatever it holds.
func (l *moduleLog) add(level hclog.Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(level, text)
}

func (l *moduleLog) addLocked(level hclog.Level, text string) {
	if !l.rate.Allow() {
		l.dropped++
		return
	}
	now := time.Now()
	if l.dropped > 0 {
		l.writeLocked(now, hclog.Warn, fmt.Sprintf("culvertd: %d lines were left out, more than %d a second", l.dropped, lineRate))
		l.dropped = 0
	}
	l.writeLocked(now, level, text)
}

func (l *moduleLog) writeLocked(now time.Time, level hclog.Level, text string) {
	err := l.ring.write(fmt.Sprintf("%s %-5s %s",
		now.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(level.String()), tunnel.Clean(text, maxLine)))
	if err != nil && !l.failing {
		l.fail(err)
	}
	l.failing = err != nil
}
