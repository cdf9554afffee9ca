package sdk_test

import (
	"context"
	"fmt"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// siren is a module that says which tunnels need a person, whoever owns them. It has no settings and no tunnel.
type siren struct{}

func (siren) Describe() sdk.Description { return sdk.Description{Name: "siren", Version: "1.0.0"} }

func (siren) Run(ctx context.Context, in *sdk.Instance[struct{}]) error {
	for c, err := range in.Watch(ctx) { // first all there are, then each change
		if err != nil {
			return err
		}
		if s := c.Tunnel.Status; c.Type != sdk.Removed && s.State == sdk.Blocked {
			in.Log.Warn("a tunnel needs you", "tunnel", c.Tunnel.Ref, "reason", s.Reason)
		}
	}
	return ctx.Err()
}

// A module sees every tunnel of every owner, and how it is.
func ExampleInstance_Watch() {
	w, end := run(siren{}, `{}`)
	defer end()
	ref := tunnel.Ref{Owner: "siren", Name: "office"} // made by the operator
	if err := w.AddTunnel(tunnel.Tunnel{Ref: ref, Server: tunnel.Server{User: "pbx", Host: "site.example.org", Port: 22}}); err != nil {
		fmt.Println(err)
	}
	w.Fault("office", sdktest.WrongKey)
	showLog(w, "needs you")
	// Output:
	// [WARN]  a tunnel needs you: tunnel=siren/office reason=hostkey-mismatch
}
