package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestTheIntruderTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, intruder{}, `{}`)
		server, _ := tunnel.ParseServer("tunnel@site.example")
		office := tunnel.Ref{Owner: tunnel.Operator, Name: "office"}
		if err := w.AddTunnel(tunnel.Tunnel{Ref: office, Server: server}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.Suspend(office, true); err != nil { // seen again, not tried again
			t.Fatal(err)
		}
		synctest.Wait()
		v, err := w.As(tunnel.Operator).Get(t.Context(), office)
		if err != nil || v.Server != server {
			t.Errorf("the tunnel is %+v, %v", v.Tunnel, err)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.Log(), "refused: tunnel=operator/office"); n != 1 || !strings.Contains(w.Log(), "operator/office belongs to operator") {
			t.Errorf("the refusal is logged %d times:\n%s", n, w.Log())
		}
	})
}
