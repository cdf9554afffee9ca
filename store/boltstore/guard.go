package boltstore

import (
	"fmt"
	"runtime/debug"

	"github.com/culvert-pbx/culvert/store"
)

// guard runs f, which calls nothing but bbolt, and turns what a damaged file does
// to bbolt into a *store.DamagedError for key: panics, and faults on the mapped
// pages of a file that was cut short, which would else kill the process.
func guard(key string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // holds for this goroutine
	defer func() {
		if p := recover(); p != nil {
			err = &store.DamagedError{Key: key, Reason: fmt.Sprintf("the file's structure: %.200v", p)}
		}
	}()
	return f()
}
