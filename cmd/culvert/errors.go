package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

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

// finish says what went wrong and returns the exit code.
func (a *app) finish(err error) int {
	var f *failure
	var fs tunnel.Findings
	var e *control.Error
	var u *control.Unreachable
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		a.complain(f.message, f.hint)
		return f.code
	case errors.As(err, &fs):
		return a.refused(control.Refusal(fs))
	case errors.As(err, &e):
		return a.refused(e)
	case errors.As(err, &u):
		a.complain(u.Error(), u.Hint())
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		a.complain("interrupted", "")
	default:
		a.complain(err.Error(), "")
	}
	return exitFailed
}

// refused shows every finding of e, or e itself where it has none.
func (a *app) refused(e *control.Error) int {
	for _, f := range e.Findings {
		message := f.Message
		if f.Field != "" {
			message = f.Field + ": " + message
		}
		if f.Value != "" && !strings.Contains(message, f.Value) {
			message += " (" + f.Value + ")"
		}
		a.complain(message, f.WayOut)
	}
	if len(e.Findings) == 0 {
		a.complain(e.Message, e.Hint)
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return exitUsage
	case http.StatusConflict, http.StatusForbidden, http.StatusUnprocessableEntity:
		return exitRefused
	default:
		return exitFailed
	}
}

// complain says what happened, then how to go on.
func (a *app) complain(message, hint string) {
	a.note("culvert: error: %s", clean(message))
	if hint != "" {
		a.note("culvert: hint: %s", clean(hint))
	}
}
