package sdktest

import (
	"bytes"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// logger is the module's log, written to the test's as long as there is one.
type logger struct {
	hclog.Logger
	out *testWriter
}

func newLogger(t testing.TB) *logger {
	out := &testWriter{t: t}
	return &logger{hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: out, DisableTime: true}), out}
}

// end lets nothing through any more: a test that has ended cannot log.
func (l *logger) end() {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	l.out.t = nil
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(string(bytes.TrimRight(p, "\n")))
	}
	return len(p), nil
}
