package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
	"github.com/culvert-pbx/culvert/sdk/wire/wiretest"
)

// A run that failed is tried again as the host does it, but sooner.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// observed is a module that is run as the host does it, again after an error, with a note of what it does.
type observed struct {
	wire.Plugin
	said func() (tunnel.Description, error) // in its place, if not nil

	mu       sync.Mutex
	latest   time.Time              // when it last called the host
	called   bool                   // in the present attempt
	ever     bool                   // it called the host
	attempts []error                // how each attempt ended by itself, nil where it had no more to do
	since    time.Time              // when the present attempt began, zero where there is none
	asked    [][]tunnel.Declaration // by Declare
	declared [][]tunnel.Declaration // where it was not refused
	hold     <-chan struct{}        // Declare waits until its context ends, or this is closed
	held     bool                   // one waits, or did
	dials    int                    // under way
	watches  int
}

// note notes a call to the host.
func (o *observed) note(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest, o.called, o.ever = time.Now(), true, true
	f()
}

// turn notes the beginning or end of an attempt.
func (o *observed) turn(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest = time.Now()
	f()
}

// Describe is what the module says of itself.
func (o *observed) Describe() (tunnel.Description, error) {
	if o.said != nil {
		return o.said()
	}
	return o.Plugin.Describe()
}

// Run returns when the module has no more to do, when it crashed, or when ctx has ended and the attempt too.
func (o *observed) Run(ctx context.Context, r wire.Run) error {
	r.Host = &eyes{r.Host, o}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := o.attempt(ctx, r)
		if err == nil || ctx.Err() != nil || errors.Is(err, errCrash) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errCrash says that an attempt panicked, or took the module's process with it.
var errCrash = errors.New("the module crashed")

func (o *observed) attempt(ctx context.Context, r wire.Run) (err error) {
	o.turn(func() { o.since, o.called = time.Now(), false })
	defer o.turn(func() {
		o.since = time.Time{}
		if ctx.Err() == nil || errors.Is(err, errCrash) {
			o.attempts = append(o.attempts, err)
		}
	})
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v\n%s", errCrash, p, debug.Stack())
		}
	}()
	if err = o.Plugin.Run(ctx, r); errors.Is(err, wiretest.ErrDied) || errors.Is(err, wire.ErrPanicked) {
		err = fmt.Errorf("%w: %w", errCrash, err)
	}
	return err
}

// Validate is the module's, where it judges settings.
func (o *observed) Validate(doc json.RawMessage) (tunnel.Findings, error) {
	if v, ok := o.Plugin.(wire.Validator); ok {
		return v.Validate(doc)
	}
	return nil, nil
}

// Test is the module's, where it has one.
func (o *observed) Test(ctx context.Context, r wire.Run, report func(tunnel.TestStep)) error {
	if t, ok := o.Plugin.(wire.Tester); ok {
		return t.Test(ctx, r, report)
	}
	return wire.ErrNoTest
}

// Act, Jobs and Metrics are the module's, where it has them.
func (o *observed) Act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
	if m, ok := o.Plugin.(wire.Actor); ok {
		return m.Act(ctx, a, report)
	}
	return tunnel.Result{}, wire.ErrNoWork
}

// Jobs is as Act.
func (o *observed) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	if m, ok := o.Plugin.(wire.Actor); ok {
		return m.Jobs(configuration)
	}
	return nil, wire.ErrNoWork
}

// Metrics is as Act.
func (o *observed) Metrics() []tunnel.MetricValues {
	if m, ok := o.Plugin.(wire.Measurer); ok {
		return m.Metrics()
	}
	return nil
}

// rests reports whether it has called nobody for d, or for first where the present attempt has not called at all yet.
func (o *observed) rests(d, first time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() && !o.called {
		return time.Since(o.since) >= max(d, first)
	}
	return time.Since(o.latest) >= d
}

// everCalled reports whether it has asked anything of the host.
func (o *observed) everCalled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ever
}

// ended are the attempts that ended by themselves.
func (o *observed) ended() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.attempts)
}

// done reports whether it said that there is no more to do.
func (o *observed) done() bool {
	ended := o.ended()
	return len(ended) > 0 && ended[len(ended)-1] == nil
}

// stands reports whether an attempt has been under way for d, or all is done.
func (o *observed) stands(d time.Duration) bool {
	o.mu.Lock()
	under := !o.since.IsZero() && time.Since(o.since) >= d
	o.mu.Unlock()
	return under || o.done()
}

// waits reports where it is.
func (o *observed) waits() (held bool, dials, watches int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held, o.dials, o.watches
}

// sets are those that it asked for, and those of them that were not refused.
func (o *observed) sets() (asked, declared [][]tunnel.Declaration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked), slices.Clone(o.declared)
}

// eyes is the host of an observed module.
type eyes struct {
	wire.Host
	o *observed
}

func (e *eyes) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	var hold <-chan struct{}
	e.o.note(func() {
		e.o.asked = append(e.o.asked, set)
		hold = e.o.hold
		e.o.held = e.o.held || hold != nil
	})
	defer e.o.note(func() {})
	if hold != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hold:
			return wire.ErrGone
		}
	}
	err := e.Host.Declare(ctx, configuration, set)
	if err == nil {
		e.o.note(func() { e.o.declared = append(e.o.declared, set) })
	}
	return err
}

func (e *eyes) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	defer e.o.note(func() {})
	return e.Host.Get(ctx, ref)
}

func (e *eyes) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	e.o.note(func() {})
	return e.Host.List(ctx)
}

func (e *eyes) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		e.o.note(func() { e.o.watches++ })
		defer e.o.note(func() { e.o.watches-- })
		for c, err := range e.Host.Watch(ctx) {
			e.o.note(func() {})
			if !yield(c, err) {
				return
			}
		}
	}
}

func (e *eyes) Dial(ctx context.Context, configuration, mapping string) (net.Conn, error) {
	e.o.note(func() { e.o.dials++ })
	defer e.o.note(func() { e.o.dials-- })
	return e.Host.Dial(ctx, configuration, mapping)
}

func (e *eyes) Listen(ctx context.Context, configuration, mapping string) (net.Listener, error) {
	defer e.o.note(func() {})
	return e.Host.Listen(ctx, configuration, mapping)
}

func (e *eyes) DialLocal(ctx context.Context, port int) (net.Conn, error) {
	e.o.note(func() {})
	return e.Host.DialLocal(ctx, port)
}

func (e *eyes) ListenLocal(ctx context.Context, port int) (net.Listener, error) {
	defer e.o.note(func() {})
	return e.Host.ListenLocal(ctx, port)
}
