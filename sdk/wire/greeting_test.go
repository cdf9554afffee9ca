package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestGreetingCarriesTheErrorTable(t *testing.T) {
	for _, want := range []error{
		blocked, severalFindings, context.DeadlineExceeded, fmt.Errorf("dial smb: %w", tunnel.ErrNotFound), errors.New("odd \u202e \x1b"),
	} {
		var b bytes.Buffer
		if err := Greet(&b, want); err != nil {
			t.Fatal(err)
		}
		line := b.String()
		got := ReadGreeting(&b)
		if strings.Contains(want.Error(), "odd") {
			want = errors.New(`odd \u202e \x1b`)
		}
		same(t, got, want)
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q is not one line", line)
		}
	}
}

func TestGreetingTakesNothingOfWhatFollows(t *testing.T) {
	var b bytes.Buffer
	if err := Greet(&b, nil); err != nil {
		t.Fatal(err)
	}
	b.WriteString("SSH-2.0-banner\n")
	if err := ReadGreeting(&b); err != nil {
		t.Fatal(err)
	}
	if rest := b.String(); rest != "SSH-2.0-banner\n" {
		t.Errorf("%q is left", rest)
	}
}

func TestGreetingAlwaysFits(t *testing.T) {
	long := strings.Repeat("\x01ä", 5_000)
	many := make(tunnel.Findings, 100)
	for i := range many {
		many[i] = tunnel.Finding{Code: tunnel.Malformed, Message: long, WayOut: long}
	}
	st := &tunnel.StatusError{Ref: blocked.Ref, State: tunnel.Blocked, Reason: tunnel.LoginRefused, Message: long, Remedy: long}
	var b bytes.Buffer
	if err := Greet(&b, errors.Join(st, many)); err != nil {
		t.Fatal(err)
	}
	if b.Len() > MaxGreeting {
		t.Errorf("it has %d bytes", b.Len())
	}
	var got *tunnel.StatusError
	if err := ReadGreeting(&b); !errors.As(err, &got) || got.Reason != tunnel.LoginRefused || !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("it is %v", err)
	}
}

func TestBadGreetings(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":  "",
		"cut":      `{"ok":true}`,
		"not JSON": "HTTP/1.1 400 Bad Request\r\n",
		"too long": `{"ok":true,"more":"` + strings.Repeat("x", MaxGreeting) + "\"}\n",
		"empty":    "\n",
	} {
		if err := ReadGreeting(strings.NewReader(text)); err == nil {
			t.Errorf("%s: taken as a greeting", name)
		}
	}
	if err := ReadGreeting(strings.NewReader(`{"ok":true,"fromTheFuture":1}` + "\n")); err != nil {
		t.Errorf("a newer host's greeting: %v", err)
	}
	if err := ReadGreeting(strings.NewReader("{}\n")); err == nil {
		t.Error("neither ok nor an error is taken as ok")
	}
	if err := Greet(brokenPipe{}, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing to a closed connection: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
