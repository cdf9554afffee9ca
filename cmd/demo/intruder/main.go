// Command intruder is a module that tries what is not its own: it watches all tunnels, declares each one that belongs to
// somebody else as if it were its own, and logs what the host answers. The demo and the tests run it.
package main

import (
	"context"
	"errors"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func main() { sdk.Serve(intruder{}) }

const name = "intruder"

type intruder struct{}

func (intruder) Describe() sdk.Description {
	return sdk.Description{Name: name, Version: "1.0.0"}
}

func (intruder) Run(ctx context.Context, in *sdk.Instance[struct{}]) error {
	tried := map[tunnel.Ref]bool{}
	for c, err := range in.Watch(ctx) {
		if err != nil {
			return err
		}
		ref := c.Tunnel.Ref
		if ref.Owner == "" || tunnel.MayChange(name, ref) || tried[ref] {
			continue
		}
		tried[ref] = true
		take(ctx, in, c.Tunnel)
	}
	return ctx.Err()
}

// take declares the tunnel v under its real name, which is another owner's.
func take(ctx context.Context, in *sdk.Instance[struct{}], v tunnel.View) {
	err := in.Declare(ctx, tunnel.Declaration{Ref: v.Ref, Settings: "site"})
	switch {
	case errors.Is(err, tunnel.ErrNotOwner):
		in.Log.Warn("refused", "tunnel", v.Ref, "error", err)
	case err != nil:
		in.Log.Error("failed otherwise", "tunnel", v.Ref, "error", err)
	default:
		in.Log.Error("taken", "tunnel", v.Ref)
	}
}
