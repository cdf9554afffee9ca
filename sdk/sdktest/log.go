package sdktest

import (
	"bytes"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// logger is the module's log: kept, and written to the test's as long as there is one.
type logger struct {
	hclog.Logger
	out *testWriter
}

func newLogger(t testing.TB) *logger {
	out := &testWriter{t: t}
	return &logger{hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: out, DisableTime: true}), out}
}

// of is the log of a configuration, which says its name where it is not the default one.
func (l *logger) of(configuration string) hclog.Logger {
	if configuration == Configuration {
		return l
	}
	return l.With("configuration", configuration)
}

type testWriter struct {
	mu   sync.Mutex
	t    testing.TB // nil when the test has ended and cannot log any more
	kept bytes.Buffer
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(string(bytes.TrimRight(p, "\n")))
	}
	return w.kept.Write(p)
}

// show writes a line to the test's log that is none of the module's.
func (w *testWriter) show(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(line)
	}
}

func (w *testWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.String()
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
