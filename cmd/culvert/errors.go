package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Exit codes; they are a contract.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotUp       = 3
	exitRefused     = 4
	exitUnreachable = 5
)

// failure is an error with its exit code and what to do.
type failure struct {
	code    int
	message string
	hint    string
}

func (f *failure) Error() string { return f.message }

// usage is a command line that is wrong in itself.
func usage(message, hint string) error { return &failure{exitUsage, message, hint} }

// notUp says that something is not as it should be.
func notUp(message, hint string) error { return &failure{exitNotUp, message, hint} }

// asUsage turns an error of cobra, which did not understand the command line, into a usage error.
func asUsage(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	message, rest, _ := strings.Cut(err.Error(), "\n")
	hint := strings.Join(strings.Fields(rest), " ")
	if hint == "" {
		hint = "culvert --help shows what there is"
	}
	return usage(message, hint)
}

// codes are what exit codes are called in the JSON of an error that is not the daemon's.
var codes = map[int]string{exitFailed: "failed", exitUsage: "usage", exitNotUp: "not-up", exitRefused: "refused", exitUnreachable: "unreachable"}

// finish says what went wrong with cmd, as JSON where that was asked for, and returns the exit code.
func (a *app) finish(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	code, e := problemOf(err)
	if !a.json() {
		a.complain(cmd, e)
		return code
	}
	if e.Findings == nil {
		e.Findings = tunnel.Findings{}
	}
	_ = writeJSON(a.errOut, e, "") // there is nobody else to tell
	return code
}

// problemOf is the exit code of err and what is told of it.
func problemOf(err error) (int, *control.Error) {
	var f *failure
	var fs tunnel.Findings
	var e *control.Error
	var u *control.Unreachable
	code, message, hint := exitFailed, err.Error(), ""
	switch {
	case errors.As(err, &f):
		code, message, hint = f.code, f.message, f.hint
	case errors.As(err, &fs):
		e = control.Refusal(fs)
		return exitCode(e.Status), e
	case errors.As(err, &e):
		return exitCode(e.Status), e
	case errors.As(err, &u):
		code, message, hint = exitUnreachable, u.Error(), u.Hint()
	case errors.Is(err, context.Canceled):
		message = "interrupted"
	}
	return code, &control.Error{Code: codes[code], Message: message, Hint: hint}
}

// exitCode is that of an answer of the daemon.
func exitCode(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return exitUsage
	case http.StatusConflict, http.StatusForbidden, http.StatusUnprocessableEntity:
		return exitRefused
	default:
		return exitFailed
	}
}

// complain says what happened, then how to go on: every finding of e, or e itself where it has none.
func (a *app) complain(cmd *cobra.Command, e *control.Error) {
	for _, f := range e.Findings {
		message := f.Message
		if f.Field != "" {
			message = optionOf(cmd, f.Field) + ": " + message
		}
		if f.Value != "" && !strings.Contains(message, f.Value) {
			message += " (" + f.Value + ")"
		}
		a.errorLines(message, f.WayOut)
	}
	if len(e.Findings) == 0 {
		a.errorLines(e.Message, e.Hint)
	}
}

func (a *app) errorLines(message, hint string) {
	a.note("culvert: error: %s", clean(message))
	if hint != "" {
		a.note("culvert: hint: %s", clean(hint))
	}
}
