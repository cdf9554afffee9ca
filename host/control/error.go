package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Error is the one shape in which the API says no.
type Error struct {
	Status   int             `json:"-"` // the HTTP status it travels with
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	Hint     string          `json:"hint"`
	Findings tunnel.Findings `json:"findings"`
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Is matches what its findings match, so that a client asks errors.Is(err, tunnel.ErrNotFound) as the host would.
func (e *Error) Is(target error) bool { return e.Findings.Is(target) }

// Codes of errors that are no findings.
const (
	codeToken    = "token"
	codeRefused  = "refused"
	codeInternal = "internal"
	codeTooLate  = "timeout"
	codeState    = "state"
	codeStopping = "stopping"
	codeCrowded  = "too-many-connections"

	codeSuperseded = "superseded" // by a newer request of the same sort
)

// problemOf turns what a handler got into what the caller is told.
func problemOf(err error) *Error {
	var e *Error
	var fs tunnel.Findings
	var f tunnel.Finding
	var st *tunnel.StatusError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &fs):
		return Refusal(fs)
	case errors.As(err, &f):
		return Refusal(tunnel.Findings{f})
	case errors.As(err, &st):
		return &Error{Status: http.StatusConflict, Code: codeState, Message: st.Error(), Hint: st.Remedy}
	case errors.Is(err, tunnel.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Code: string(tunnel.NotFound), Message: text(err)}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: http.StatusGatewayTimeout, Code: codeTooLate, Message: "the daemon did not get it done in time: " + text(err),
			Hint: "try again; the daemon's log says what was slow"}
	case errors.Is(err, context.Canceled):
		return &Error{Status: http.StatusServiceUnavailable, Code: codeStopping, Message: "the daemon is stopping"}
	default:
		return &Error{Status: http.StatusInternalServerError, Code: codeInternal, Message: text(err), Hint: "the daemon's log says more"}
	}
}

// Refusal is the Error for findings, of which there is at least one: the first one speaks, and the status is that of
// the one that is most the input's own fault.
func Refusal(fs tunnel.Findings) *Error {
	e := &Error{Status: statusOf(fs[0].Code), Code: string(fs[0].Code), Message: fs[0].Message, Hint: fs[0].WayOut, Findings: fs}
	for _, f := range fs[1:] {
		e.Status = min(e.Status, statusOf(f.Code))
	}
	return e
}

// statusOf says whether an input is wrong in itself (400), names what is not there (404), or is right but refused by
// the present state (409, 403).
func statusOf(c tunnel.Code) int {
	switch c {
	case tunnel.NotFound:
		return http.StatusNotFound
	case tunnel.NotOwner:
		return http.StatusForbidden
	case tunnel.PortCollision, tunnel.PolicyRefused, tunnel.StaleRevision, tunnel.Exists, tunnel.ManagedByModule:
		return http.StatusConflict
	default:
		return http.StatusBadRequest
	}
}

// adding makes "its owner or module is not there" a refusal by the state: what an add names is new, not missing.
func adding(err error) error {
	if err == nil {
		return nil
	}
	e := problemOf(err)
	if e.Status == http.StatusNotFound {
		e.Status = http.StatusUnprocessableEntity
	}
	return e
}

// text is an error's text, fit to show.
func text(err error) string { return tunnel.Clean(err.Error(), 2000) }

// Refused is the Error of what is right in itself but refused by the present state, for parts that have no finding.
func Refused(reason tunnel.Reason, message, hint string) *Error {
	code := string(reason)
	if code == "" {
		code = codeState
	}
	return &Error{Status: http.StatusConflict, Code: code, Message: message, Hint: hint}
}
