package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// manager asks a service of its machine on behalf of whoever connects to a port of it.
type manager struct{}

func (manager) Describe() sdk.Description {
	return sdk.Description{Name: "manager", Version: "1", Grants: []sdk.Grant{"dial 5038", "serve 8089"}}
}

func (manager) Run(ctx context.Context, in *sdk.Instance[struct{}]) error {
	l, err := in.ListenLocal(8089)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		if _, err := fmt.Fprint(c, answer(ctx, in)); err != nil {
			return err
		}
		_ = c.Close()
	}
}

func answer(ctx context.Context, in *sdk.Instance[struct{}]) string {
	c, err := in.DialLocal(ctx, 5038)
	if errors.Is(err, tunnel.ErrPolicyRefused) {
		return "not granted"
	}
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return fmt.Sprint(string(b), " ", err)
}

func TestLocalPorts(t *testing.T) {
	w := sdktest.Run(t, manager{}, "{}", sdktest.Grant("serve 8089"))
	asked := func() string {
		t.Helper()
		c, err := w.ConnectLocal(8089)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := asked(); got != "not granted" {
		t.Errorf("before anything is granted: %s", got)
	}
	w.ServeLocal(5038, func(c net.Conn) { fmt.Fprint(c, "the service") })
	if got := asked(); got != "not granted" {
		t.Errorf("a service alone grants nothing: %s", got)
	}
	w.Grant("dial 5038")
	if got := asked(); got != "the service <nil>" {
		t.Errorf("with the grant: %s", got)
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
}
