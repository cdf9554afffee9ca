package sdk

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// caught makes a panic of the author's code an error, which is shown as the reason, and logs where it was. It is to be
// deferred. What a method shares with other runs may be half changed then, as after an error returned in its midst.
func caught(log hclog.Logger, what string, err *error) {
	if p := recover(); p != nil {
		logPanic(log, what, p)
		*err = &panicError{what, p}
	}
}

// panicError is a panic of the author's code.
type panicError struct {
	what  string
	value any
}

func (e *panicError) Error() string {
	return fmt.Sprintf("the module's %s panicked: %v", e.what, e.value)
}

// Is makes it wire.ErrPanicked.
func (e *panicError) Is(target error) bool { return target == wire.ErrPanicked }

// maxTrace is how many lines of a stack are logged: the rest is where the SDK called.
const maxTrace = 60

// logPanic logs a line each, since the log cuts long ones.
func logPanic(log hclog.Logger, what string, value any) {
	log.Error(what+" panicked", "panic", fmt.Sprint(value))
	lines := strings.Split(strings.TrimSpace(string(debug.Stack())), "\n")
	for _, line := range lines[:min(len(lines), maxTrace)] {
		log.Error(strings.ReplaceAll(line, "\t", "    "))
	}
}
