package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestHelloLogsEveryTunnelOfEveryOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, hello{}, `{}`)
		server, _ := tunnel.ParseServer("tunnel@site.example")
		for _, ref := range []string{"operator/office", "hello/world"} {
			r, _ := tunnel.ParseRef(ref)
			if err := w.AddTunnel(tunnel.Tunnel{Ref: r, Server: server}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.Fault("world", sdktest.WrongKey)
		synctest.Wait()
		for _, want := range []string{
			"tunnel: name=operator/office state=connecting",
			"tunnel: name=hello/world state=up",
			"tunnel: name=hello/world state=blocked reason=hostkey-mismatch",
		} {
			if !strings.Contains(w.Log(), want) {
				t.Errorf("the log lacks %q:\n%s", want, w.Log())
			}
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}
