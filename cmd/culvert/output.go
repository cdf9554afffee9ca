package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// output is standard output. It keeps the first failure to write, whoever wrote: the disk may be full, and what was
// asked for then did not arrive.
type output struct {
	to     io.Writer
	failed func() // called with the first failure; nil for nothing
	err    error
}

// Write writes p.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil && o.err == nil {
		o.err = err
		if o.failed != nil {
			o.failed()
		}
	}
	return n, err
}

// terminal reports whether a person reads it as it is written.
func (o *output) terminal() bool { return terminal(o.to) }

// width is how many columns tables may have, 0 for any number: what another program reads is neither wrapped nor cut.
func (o *output) width() int {
	f, ok := o.to.(*os.File)
	if !ok || !o.terminal() {
		return 0
	}
	const least = 80
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return least
	}
	return max(w, least)
}

// failure says that the output did not arrive, nil where it did.
func (o *output) failure() error {
	if o.err == nil {
		return nil
	}
	err := o.err
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &failure{exitFailed, "standard output cannot be written: " + err.Error(), "what was asked for may have been done; look with culvert status"}
}
