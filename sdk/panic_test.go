package sdk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// A panic is the error of the run it was in, with the place in the log, and leaves nothing listening.
func TestAPanicOfRunIsItsError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p := Plugin(runner[struct{}]{run: func(_ context.Context, in *Instance[struct{}]) error {
		if _, err := in.Listen(MappingOf("site", "status")); err != nil {
			return err
		}
		panic("at the disco")
	}})
	err = p.Run(t.Context(), wire.Run{Configuration: "berlin", Host: &fakeHost{listener: l}, Log: hclog.New(&hclog.LoggerOptions{Output: &log})})
	if !errors.Is(err, wire.ErrPanicked) || err.Error() != "the module's Run panicked: at the disco" {
		t.Errorf("the run ends with %v", err)
	}
	if text := log.String(); !strings.Contains(text, `Run panicked: panic="at the disco"`) || !strings.Contains(text, "sdk/panic_test.go:") {
		t.Errorf("the log does not say where:\n%s", text)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the panic it still listens: %v", err)
	}
}

// fickle is a setting that reads itself, badly.
type fickle struct{}

func (*fickle) UnmarshalText([]byte) error { panic("unreadable") }

type unwell struct{ quiet[struct{}] }

func (unwell) Describe() Description { panic("nobody") }

func TestPanicsElsewhere(t *testing.T) {
	if _, err := Plugin(unwell{}).Describe(); err == nil || err.Error() != "the module's Describe panicked: nobody" {
		t.Errorf("Describe ends with %v", err)
	}
	p := Plugin(runner[struct {
		F fickle `json:"f"`
	}]{})
	err := p.Run(t.Context(), wire.Run{Settings: []byte(`{"f":"x"}`), Log: hclog.NewNullLogger()})
	if err == nil || err.Error() != "the module's settings panicked: unreadable" {
		t.Errorf("reading the settings ends with %v", err)
	}
}
