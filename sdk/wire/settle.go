package wire

import (
	"runtime/debug"
	"time"
)

// settled is how long after its start a module has done what only a start does.
const settled = 2 * time.Second

// settle gives back, once the module has started, the memory that the start took alone: what it left on the heap, and
// the pages of its program, most of which only a start touches. Those in use come back from the file as they are needed.
func settle() {
	time.AfterFunc(settled, func() {
		debug.FreeOSMemory()
		dropProgram()
	})
}
