package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// refusing is a registry that answers every Declare with one error.
type refusing struct {
	tunnel.Service
	err error
}

func (r refusing) Declare(context.Context, string, []tunnel.Declaration) error { return r.err }

var (
	blocked = &tunnel.StatusError{
		Ref: tunnel.Ref{Owner: "adsync", Name: "berlin.site"}, Mapping: "dc1", State: tunnel.Blocked,
		Reason: tunnel.HostKeyMismatch, Message: "the key changed", Remedy: "culvert tunnel accept-key adsync/berlin.site",
	}
	severalFindings = tunnel.Findings{
		{Code: tunnel.PortCollision, Field: "mappings[a].local.port", Value: "8389", Message: "taken by operator/office", WayOut: "choose another"},
		{Code: tunnel.TooMany, Field: "mappings", Value: "65", Message: "65 mappings", WayOut: "at most 64"},
		tunnel.NotOwnerFinding(tunnel.Ref{Owner: "tapi", Name: "main.site"}),
	}
)

// Every error of the table goes host -> module -> host, wrapped on its way, and is still what it was.
func TestErrorsKeepTheirIdentity(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("declare office: %w", err) }
	var cases []error
	for _, row := range table {
		cases = append(cases, row.err, wrap(row.err))
	}
	for code := range map[tunnel.Code]bool{
		tunnel.Required: true, tunnel.Malformed: true, tunnel.OutOfRange: true, tunnel.TooLong: true, tunnel.UnknownKey: true,
		tunnel.PortCollision: true, tunnel.PolicyRefused: true, tunnel.NotOwner: true, tunnel.StaleRevision: true,
		tunnel.Exists: true, tunnel.NotFound: true, tunnel.ManagedByModule: true, tunnel.TooMany: true,
	} {
		cases = append(cases, tunnel.Findings{{Code: code, Field: "f", Value: "v", Message: "m", WayOut: "w"}})
	}
	cases = append(cases, severalFindings, wrap(severalFindings), severalFindings[0], blocked, wrap(blocked),
		errors.Join(blocked, severalFindings), errors.New("something else"))
	for _, want := range cases {
		t.Run(strings.ReplaceAll(want.Error(), "\n", "|"), func(t *testing.T) {
			var inModule error
			m := connected(t, scriptedRun(func(ctx context.Context, r Run) error {
				inModule = r.Host.Declare(ctx, r.Configuration, nil)
				return inModule
			}), adsync(refusing{err: want}))
			inHost := m.Run(t.Context(), config("berlin"), nil, "")
			same(t, inModule, want)
			same(t, inHost, want)
		})
	}
}

// same checks that got is want to everyone who looks: by its text, its sentinels and its types.
func same(t *testing.T, got, want error) {
	t.Helper()
	if got == nil || got.Error() != want.Error() {
		t.Fatalf("the error is %q, want %q", got, want)
	}
	for _, row := range table {
		if errors.Is(got, row.err) != errors.Is(want, row.err) {
			t.Errorf("errors.Is %v: %v, want %v", row.err, errors.Is(got, row.err), errors.Is(want, row.err))
		}
	}
	if got, want := findingsIn(got), findingsIn(want); !reflect.DeepEqual(got, want) {
		t.Errorf("findings %+v, want %+v", got, want)
	}
	var gotStatus, wantStatus *tunnel.StatusError
	if errors.As(got, &gotStatus) != errors.As(want, &wantStatus) || !reflect.DeepEqual(gotStatus, wantStatus) {
		t.Errorf("status %+v, want %+v", gotStatus, wantStatus)
	}
}

func TestTableHasEverySentinelOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range table {
		if seen[row.is] {
			t.Errorf("%q is twice in the table", row.is)
		}
		seen[row.is] = true
	}
	for _, err := range []error{
		tunnel.ErrNotOwner, tunnel.ErrNotFound, tunnel.ErrExists, tunnel.ErrStaleRevision, tunnel.ErrPortCollision,
		tunnel.ErrPolicyRefused, tunnel.ErrManagedByModule, tunnel.ErrInvalid, tunnel.ErrResync,
		context.Canceled, context.DeadlineExceeded, ErrGone,
	} {
		if codeOf(err) == codes.Unknown {
			t.Errorf("%v is not in the table", err)
		}
	}
}

func TestErrorsFromAModuleAreBoundedAndEscaped(t *testing.T) {
	loud := make(tunnel.Findings, 3*maxFindings)
	for i := range loud {
		loud[i] = tunnel.Finding{Code: "x\x1b[2J", Field: strings.Repeat("f", 5000), Message: "line\r\x1b]0;title\x07\u202e", WayOut: "\xff"}
	}
	for name, err := range map[string]error{
		"findings": loud,
		"status":   &tunnel.StatusError{State: "up\x1b[31m", Message: strings.Repeat("\x1b[2J", 5000)},
		"plain":    errors.New(strings.Repeat("\x1b[2J\xff", 100_000)),
	} {
		m := connected(t, scriptedRun(func(context.Context, Run) error { return err }), adsync(nil))
		got := m.Run(t.Context(), config("berlin"), nil, "")
		if got == nil {
			t.Fatalf("%s: no error", name)
		}
		text := fmt.Sprintf("%v %+v", got, findingsIn(got))
		if strings.ContainsAny(text, "\x1b\x07\r\u202e") || !utf8.ValidString(text) {
			t.Errorf("%s: it can drive a terminal: %.200q", name, text)
		}
		if len(text) > 1<<20 || len(findingsIn(got)) > maxFindings {
			t.Errorf("%s: it has %d bytes", name, len(text))
		}
	}
}

func TestErrorsOfTheConnectionItself(t *testing.T) {
	for _, c := range []struct {
		code codes.Code
		want error
	}{
		{codes.Canceled, context.Canceled},
		{codes.DeadlineExceeded, context.DeadlineExceeded},
		{codes.Unavailable, ErrGone},
		{codes.ResourceExhausted, tunnel.ErrInvalid},
	} {
		if got := decode(status.Error(c.code, "text")); !errors.Is(got, c.want) {
			t.Errorf("%v is %v, want %v", c.code, got, c.want)
		}
	}
	if got := decode(status.Error(codes.Internal, "odd\x1b")); got.Error() != `odd\x1b` {
		t.Errorf("an unknown code is %q", got)
	}
	if decode(nil) != nil || decode(io.EOF) != io.EOF || encode(nil) != nil {
		t.Error("what is no gRPC error is not left as it is")
	}
}

// A newer host may send codes and details that this build does not know.
func TestUnknownCodesArePassedOver(t *testing.T) {
	got := errorOf(&hostv1.Error{Message: "new", Is: []string{"from-the-future", "not-found"}})
	if got.Error() != "new" || !errors.Is(got, tunnel.ErrNotFound) {
		t.Errorf("it is %v", got)
	}
}
