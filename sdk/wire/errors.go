package wire

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// table is the one table of errors that keep their identity on the wire, in both directions. The first one an error
// matches gives the gRPC code, which is for readers that know nothing of Error.
var table = []struct {
	is   string
	err  error
	code codes.Code
}{
	{"canceled", context.Canceled, codes.Canceled},
	{"deadline-exceeded", context.DeadlineExceeded, codes.DeadlineExceeded},
	{"not-owner", tunnel.ErrNotOwner, codes.PermissionDenied},
	{"not-found", tunnel.ErrNotFound, codes.NotFound},
	{"exists", tunnel.ErrExists, codes.AlreadyExists},
	{"stale-revision", tunnel.ErrStaleRevision, codes.Aborted},
	{"port-collision", tunnel.ErrPortCollision, codes.FailedPrecondition},
	{"policy-refused", tunnel.ErrPolicyRefused, codes.PermissionDenied},
	{"managed-by-module", tunnel.ErrManagedByModule, codes.FailedPrecondition},
	{"invalid", tunnel.ErrInvalid, codes.InvalidArgument},
	{"resync", tunnel.ErrResync, codes.DataLoss},
	{"gone", ErrGone, codes.Unavailable},
	{"unsupported", errors.ErrUnsupported, codes.Unimplemented},
	{"panicked", ErrPanicked, codes.Internal},
}

// What an error from the other end may hold; the rest is cut.
const (
	maxMessage  = 8 << 10
	maxPart     = 1 << 10
	maxFindings = 100
)

// encode makes err a gRPC error that decode turns back.
func encode(err error) error {
	if err == nil {
		return nil
	}
	e := errorTo(err)
	s, detailErr := status.New(codeOf(err), cut(e.GetMessage(), maxPart)).WithDetails(e)
	if detailErr != nil {
		return status.Error(codeOf(err), cut(e.GetMessage(), maxPart))
	}
	return s.Err()
}

func codeOf(err error) codes.Code {
	for _, t := range table {
		if errors.Is(err, t.err) {
			return t.code
		}
	}
	return codes.Unknown
}

// errorTo is err as a message.
func errorTo(err error) *hostv1.Error {
	e := &hostv1.Error{Message: cut(err.Error(), maxMessage)}
	for _, t := range table {
		if errors.Is(err, t.err) {
			e.Is = append(e.Is, t.is)
		}
	}
	e.Findings = findingsTo(findingsIn(err))
	var st *tunnel.StatusError
	if errors.As(err, &st) {
		e.Status = &hostv1.StatusError{
			Ref: st.Ref.String(), Mapping: st.Mapping, State: string(st.State), Reason: string(st.Reason),
			Message: cut(st.Message, maxPart), Remedy: cut(st.Remedy, maxPart),
		}
	}
	return e
}

func findingsTo(fs tunnel.Findings) []*hostv1.Finding {
	return each(fs[:min(len(fs), maxFindings)], func(f tunnel.Finding) *hostv1.Finding {
		return &hostv1.Finding{
			Code: string(f.Code), Field: cut(f.Field, maxPart), Value: cut(f.Value, maxPart),
			Message: cut(f.Message, maxPart), WayOut: cut(f.WayOut, maxPart),
		}
	})
}

// findingsIn is every finding err holds, a single one included.
func findingsIn(err error) tunnel.Findings {
	var fs tunnel.Findings
	var f tunnel.Finding
	switch {
	case errors.As(err, &fs):
	case errors.As(err, &f):
		fs = tunnel.Findings{f}
	}
	return fs[:min(len(fs), maxFindings)]
}

// decode is the error that the other end encoded, or what a gRPC error of our own end means.
func decode(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	for _, d := range s.Details() {
		if e, ok := d.(*hostv1.Error); ok {
			return errorOf(e)
		}
	}
	text := lines(s.Message(), maxPart)
	switch s.Code() {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case codes.Unavailable:
		return &remote{text: ErrGone.Error() + ": " + text, causes: []error{ErrGone}}
	case codes.ResourceExhausted:
		return tooLarge
	case codes.Unimplemented:
		return &remote{text: "the other end does not know this call, its contract is older: " + text, causes: []error{errors.ErrUnsupported}}
	}
	return errors.New(text)
}

// errorOf is e as an error: with what it is beneath the sentence it was given. Nothing in it can drive a terminal.
func errorOf(e *hostv1.Error) error {
	r := &remote{text: lines(e.GetMessage(), maxMessage)}
	for _, t := range table {
		for _, is := range e.GetIs() {
			if is == t.is {
				r.causes = append(r.causes, t.err)
			}
		}
	}
	if fs := findingsOf(e.GetFindings()); len(fs) > 0 {
		if fs.Error() == r.text {
			return fs
		}
		r.causes = append(r.causes, fs)
	}
	if st := statusErrorOf(e.GetStatus()); st != nil {
		if st.Error() == r.text {
			return st
		}
		r.causes = append(r.causes, st)
	}
	if len(r.causes) == 1 && r.causes[0].Error() == r.text {
		return r.causes[0]
	}
	return r
}

func findingsOf(in []*hostv1.Finding) tunnel.Findings {
	var fs tunnel.Findings
	for _, f := range in[:min(len(in), maxFindings)] {
		fs = append(fs, tunnel.Finding{
			Code: tunnel.Code(tunnel.Clean(f.GetCode(), maxPart)), Field: tunnel.Clean(f.GetField(), maxPart),
			Value: tunnel.Clean(f.GetValue(), maxPart), Message: lines(f.GetMessage(), maxPart), WayOut: lines(f.GetWayOut(), maxPart),
		})
	}
	return fs
}

func statusErrorOf(in *hostv1.StatusError) *tunnel.StatusError {
	if in == nil {
		return nil
	}
	return &tunnel.StatusError{
		Ref: refOf(in.GetRef()), Mapping: tunnel.Clean(in.GetMapping(), maxPart),
		State: tunnel.State(tunnel.Clean(in.GetState(), maxPart)), Reason: tunnel.Reason(tunnel.Clean(in.GetReason(), maxPart)),
		Message: lines(in.GetMessage(), maxPart), Remedy: lines(in.GetRemedy(), maxPart),
	}
}

// remote is an error from the other end: its sentence, and what it is for errors.Is and errors.As.
type remote struct {
	text   string
	causes []error
}

func (r *remote) Error() string { return r.text }

func (r *remote) Unwrap() []error { return r.causes }

// cut shortens s to at most n bytes of valid text.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "?")
}

// lines is text of several lines, each cleaned, together at most about n bytes.
func lines(s string, n int) string {
	parts := strings.Split(cut(s, n), "\n")
	for i, p := range parts {
		parts[i] = tunnel.Clean(p, n)
	}
	return strings.Join(parts, "\n")
}
