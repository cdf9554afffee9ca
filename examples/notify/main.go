// Command notify calls a webhook when a tunnel has been down for a while, once, and when it is back.
//
// It is the example of a module without a tunnel of its own: it watches those of all owners. For the call it needs a
// right beyond the sandbox, the grant network; README.md shows how the operator gives it, and what the webhook receives.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
)

func main() { sdk.Serve(notify{}) }

type notify struct{}

type settings struct {
	URL           sdk.Secret `json:"url" title:"Webhook" help:"often holds a token: it never shows again" required:"true"`
	Authorization sdk.Secret `json:"authorization" title:"Header Authorization" help:"such as Bearer TOKEN; empty: no such header"`
	After         int        `json:"after" title:"Seconds a tunnel is down before it is told" min:"1" max:"86400" default:"60"`
	Degraded      bool       `json:"degraded" title:"A tunnel with some mapping down counts as down" default:"true"`
}

func (notify) Describe() sdk.Description {
	return sdk.Description{Name: "notify", Version: "1.0.0", Grants: []sdk.Grant{sdk.GrantNetwork}}
}

// Run has one goroutine that does everything in turn, so nothing needs a lock, and one that reads the watch. While a call
// is under way the watch waits: what it misses then comes as a tunnel.Resync and the whole again.
func (notify) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	m, err := open(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	changes, ended := make(chan sdk.Change), make(chan error, 1)
	var watching sync.WaitGroup
	watching.Go(func() { ended <- watch(ctx, in, changes) })
	defer watching.Wait() // nothing outlives Run
	defer cancel()
	for {
		select {
		case c := <-changes:
			m.see(c, time.Now())
		case <-time.After(time.Until(m.next())):
			m.tell(ctx, time.Now())
		case err := <-ended:
			return err
		}
		if err := m.save(); err != nil {
			return fmt.Errorf("keep what was told: %w", err)
		}
	}
}

func watch(ctx context.Context, in *sdk.Instance[settings], changes chan<- sdk.Change) error {
	for c, err := range in.Watch(ctx) {
		if err != nil {
			return err
		}
		select {
		case changes <- c:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
