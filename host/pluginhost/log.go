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
)

// What a module may log.
const (
	maxLine   = 2048 // bytes of one line, the rest is cut
	lineRate  = 100  // lines a second,
	lineBurst = 2000 // and at once: room for the trace of a crash
)

// moduleLog brings what a module writes into its ring: one line each, escaped, cut, no faster than the rate. It is an
// hclog sink for its log and a writer for its standard output. It is safe for concurrent use.
type moduleLog struct {
	ring *ring
	fail func(error) // told when the ring cannot be written, once until it can again

	mu      sync.Mutex
	rate    bucket
	dropped int
	failing bool
	rest    []byte // of the standard output, the line that is not whole yet
}

var (
	_ hclog.SinkAdapter = (*moduleLog)(nil)
	_ io.Writer         = (*moduleLog)(nil)
)

func newModuleLog(r *ring, fail func(error)) *moduleLog {
	return &moduleLog{ring: r, fail: fail, rate: bucket{rate: lineRate, burst: lineBurst}}
}

// logger is what go-plugin logs to. Its lines of the module's come under the process's name, its own without.
func (l *moduleLog) logger() hclog.Logger {
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Trace, Output: io.Discard})
	root.RegisterSink(l)
	return root
}

// Accept takes one entry from go-plugin.
func (l *moduleLog) Accept(name string, level hclog.Level, msg string, args ...any) {
	// Of its own it tells how it starts and ends a process, which the host does already and in other words.
	if name == "" || strings.HasPrefix(name, "stdio") {
		return
	}
	l.add(level, msg, args)
}

// say adds a line of the host's own.
func (l *moduleLog) say(format string, args ...any) {
	l.add(hclog.Info, "culvertd: "+fmt.Sprintf(format, args...), nil)
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
		if !whole {
			rest = nil
		}
		l.addLocked(hclog.Info, string(line), nil)
		l.rest = append([]byte(nil), rest...)
	}
}

func (l *moduleLog) add(level hclog.Level, msg string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(level, msg, args)
}

func (l *moduleLog) addLocked(level hclog.Level, msg string, args []any) {
	now := time.Now()
	if !l.rate.allow(now) {
		l.dropped++
		return
	}
	if l.dropped > 0 {
		l.writeLocked(formatLine(now, hclog.Warn, fmt.Sprintf("culvertd: %d lines were left out, more than %d a second", l.dropped, lineRate), nil))
		l.dropped = 0
	}
	l.writeLocked(formatLine(now, level, msg, args))
}

func (l *moduleLog) writeLocked(line string) {
	err := l.ring.write(line)
	if err != nil && !l.failing {
		l.fail(err)
	}
	l.failing = err != nil
}

// formatLine is one line of a module's log. go-plugin adds the module's own clock as "timestamp"; ours is enough.
func formatLine(now time.Time, level hclog.Level, msg string, args []any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s ", now.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(level.String()))
	text := msg
	for i := 0; i+1 < len(args) && len(text) < maxLine; i += 2 {
		if key := fmt.Sprint(args[i]); key != "timestamp" {
			text += fmt.Sprintf(" %s=%v", key, quoted(args[i+1]))
		}
	}
	b.WriteString(tunnel.Clean(text, maxLine))
	return b.String()
}

// quoted puts quotes around text with spaces, so that keys and values can be told apart.
func quoted(v any) any {
	if s, ok := v.(string); ok && strings.ContainsAny(s, " =\"") {
		return fmt.Sprintf("%q", s)
	}
	return v
}
