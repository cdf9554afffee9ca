package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// narrow is a module whose policy leaves the operator little, and which listens at a port of its machine.
type narrow struct{}

func (narrow) Describe() sdk.Description {
	return sdk.Description{
		Name: "narrow", Version: "1", Grants: []sdk.Grant{"serve 8089", "dial 5038"},
		Slots:  []sdk.Slot{{Name: "db", Title: "Database", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":5432", On: true, Ports: []tunnel.PortRange{{First: 5432, Last: 5433}}}},
		Policy: tunnel.Policy{Kinds: []tunnel.Kind{tunnel.Reach}, Ports: []tunnel.PortRange{{First: 80, Last: 80}}},
	}
}

func (narrow) Run(ctx context.Context, in *sdk.Instance[narrowSettings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	if _, err := in.ListenLocal(8089); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

type narrowSettings struct {
	Site sdk.Site `json:"site" slots:"db"`
}

// What the host refuses the operator, a World refuses the test: kinds and ports outside the slots and the policy.
func TestOutsideThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, narrow{}, `{"site":{"server":"s@site.example"}}`, sdktest.Grant("serve 8089"))
		synctest.Wait()
		for slot, want := range map[string]string{
			`{"kind":"expose","spec":"5432:5432"}`: "slot db cannot be of kind expose",
			`{"spec":":3306"}`:                     "slot db cannot have port 3306",
		} {
			err := w.Reconfigure(`{"site":{"server":"s@site.example","slots":{"db":` + slot + `}}}`)
			if !errors.Is(err, tunnel.ErrPolicyRefused) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", slot, err)
			}
		}
		server, _ := tunnel.ParseServer("s@site.example")
		for i, c := range []struct {
			kind tunnel.Kind
			spec string
			want error
		}{
			{tunnel.Reach, "8000:80", nil}, {tunnel.Reach, "8001:81", tunnel.ErrPolicyRefused}, {tunnel.Expose, "80:80", tunnel.ErrPolicyRefused},
		} {
			m, _ := tunnel.ParseMapping(c.kind, c.spec)
			err := w.AddTunnel(tunnel.Tunnel{Ref: tunnel.Ref{Owner: "narrow", Name: tunnel.Name(fmt.Sprint("made", i))}, Server: server, Mappings: []tunnel.Mapping{m}})
			if !errors.Is(err, c.want) {
				t.Errorf("%s %s: %v", c.kind, c.spec, err)
			}
		}
	})
}

func TestALocalPortWithoutItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, narrow{}, `{}`)
		synctest.Wait()
		if _, err := w.ConnectLocal(8089); !errors.Is(err, tunnel.ErrPolicyRefused) {
			t.Errorf("without the grant it is connected to: %v", err)
		}
		err := w.Stop()
		if !errors.Is(err, tunnel.ErrPolicyRefused) || !strings.Contains(err.Error(), "culvert module grant narrow serve 8089") {
			t.Errorf("without the grant it listens: %v", err)
		}
	})
}

// A grant and its end start the module anew, and the end takes the listener with it.
func TestARevokedGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, narrow{}, `{}`, sdktest.Grant("serve 8089"))
		c, err := w.ConnectLocal(8089)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w.Revoke("serve 8089")
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("what came through the port goes on")
		}
		synctest.Wait()
		if err := w.Stop(); !errors.Is(err, tunnel.ErrPolicyRefused) {
			t.Errorf("started anew without the grant, Run returned %v", err)
		}
	})
}

func TestAPortThatIsTaken(t *testing.T) {
	for name, take := range map[string]func(*sdktest.World){
		"by a service": func(w *sdktest.World) {},
		"by a tunnel": func(w *sdktest.World) {
			server, _ := tunnel.ParseServer("s@site.example")
			m, _ := tunnel.ParseMapping(tunnel.Reach, "8089:80")
			if err := w.AddTunnel(tunnel.Tunnel{Ref: tunnel.Ref{Owner: tunnel.Operator, Name: "other"}, Server: server, Mappings: []tunnel.Mapping{m}}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var with []sdktest.Option
				if name == "by a service" {
					with = append(with, sdktest.Local(8089, func(net.Conn) {}))
				}
				w := sdktest.Run(t, narrow{}, `{}`, with...)
				take(w)
				w.Grant("serve 8089")
				synctest.Wait()
				if err := w.Stop(); !errors.Is(err, tunnel.ErrPortCollision) {
					t.Errorf("it listens where something else does: %v", err)
				}
			})
		})
	}
}

// What the description does not ask for, no operator can grant.
func TestAGrantThatIsNotAskedFor(t *testing.T) {
	r := &recording{TB: t}
	w := sdktest.Run(r, narrow{}, `{}`)
	w.Grant("network")
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], `module narrow does not ask for "network"`) {
		t.Errorf("it says %q", r.errors)
	}
	for _, f := range r.ended {
		f()
	}
}

// Nothing answers at a port that is granted and not served: that is no matter of grants.
func TestNothingAtALocalPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan error, 1)
		w := sdktest.Run(t, dialing{got}, `{}`, sdktest.Grant("dial 5038"))
		if err := <-got; err == nil || errors.Is(err, tunnel.ErrPolicyRefused) || !strings.Contains(err.Error(), "nothing answers at port 5038") {
			t.Errorf("it gets %v", err)
		}
		_ = w.Stop()
	})
}

type dialing struct{ got chan<- error }

func (dialing) Describe() sdk.Description { return narrow{}.Describe() }

func (d dialing) Run(ctx context.Context, in *sdk.Instance[narrowSettings]) error {
	_, err := in.DialLocal(ctx, 5038)
	d.got <- err
	return nil
}
