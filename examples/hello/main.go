// Command hello is the smallest module that does something: it logs the state of every tunnel of every owner.
//
// It declares none itself; the operator gives it tunnels with `culvert tunnel add hello/NAME`.
package main

import (
	"context"

	"github.com/culvert-pbx/culvert/sdk"
)

func main() { sdk.Serve(hello{}) }

type hello struct{}

func (hello) Describe() sdk.Description {
	return sdk.Description{Name: "hello", Version: "1.0.0", Policy: sdk.Anything}
}

func (hello) Run(ctx context.Context, in *sdk.Instance[struct{}]) error {
	for c, err := range in.Watch(ctx) { // every tunnel of every owner
		if err != nil {
			return err
		}
		s := c.Tunnel.Status
		in.Log.Info("tunnel", "name", c.Tunnel.Ref, "state", s.State, "reason", s.Reason)
	}
	return ctx.Err()
}
