// Package storetest is the suite that every implementation of store.Store passes.
// An implementation's test calls Run. Whoever writes on a store can test on Twice,
// which runs each change twice, as an engine with conflicts would.
package storetest

import (
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/store"
)

// Store is what the suite tests. Close ends every Watch and may be called again.
type Store interface {
	store.Store
	io.Closer
}

// Open opens the store at its place; what is in it survives Close. The suite has
// one store open at a place at a time, and closes each.
type Open func(t *testing.T) Store

// Run runs the suite. newPlace makes a new, empty place for a store. A store that
// forgets changes should forget early here, yet keep the last eight: the suite
// makes up to 3000 to fall behind.
func Run(t *testing.T, newPlace func(t *testing.T) Open) {
	t.Run("once", func(t *testing.T) { runAll(t, newPlace) })
	t.Run("twice", func(t *testing.T) {
		runAll(t, func(t *testing.T) Open {
			open := newPlace(t)
			return func(t *testing.T) Store {
				s := open(t)
				return struct {
					store.Store
					io.Closer
				}{Twice(s), s}
			}
		})
	})
}

func runAll(t *testing.T, newPlace func(t *testing.T) Open) {
	for _, tests := range []map[string]func(*testing.T, Store){recordTests, txTests, limitTests, revTests, watchTests, crowdTests} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				leaveNothing(t)
				s := newPlace(t)(t)
				t.Cleanup(func() { closeStore(t, s) })
				test(t, s)
			})
		}
	}
	for name, test := range reopenTests {
		t.Run(name, func(t *testing.T) {
			leaveNothing(t)
			test(t, newPlace(t))
		})
	}
}

// leaveNothing fails the test where, after its clean-up, goroutines of it run on.
func leaveNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}
