package files

import (
	"errors"
	"fmt"
)

// Error is that a directory cannot be opened, or nothing be written there. Err is what the system says.
type Error struct {
	Dir string
	Is  string // opened or written, which it cannot be
	Err error
}

// Error names the directory, and what the system says.
func (e *Error) Error() string { return fmt.Sprintf("%s cannot be %s: %v", e.Dir, e.Is, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// unwritten is err with the directory's name.
func (p *place) unwritten(err error) error {
	var named *Error
	if err == nil || errors.As(err, &named) {
		return err
	}
	return &Error{p.root.Name(), "written", err}
}
