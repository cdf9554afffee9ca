// Command monitoring is the module that lets a site's Prometheus see the PBX and its tunnels.
//
// It serves the metrics itself through the private mapping of slot host, so without a port on the PBX, and can expose a
// node exporter and a Checkmk agent that run there already. See README.md.
package main

import (
	"context"

	"github.com/culvert-pbx/culvert/sdk"
)

func main() { sdk.Serve(monitoring{}) }

type monitoring struct{}

type settings struct {
	Site sdk.Site `json:"site" title:"Site that monitors the PBX" slots:"host,node,checkmk"`
	PBX  string   `json:"pbx" title:"Name of the PBX" help:"the label pbx of every series; empty: no such label" maxlen:"60"`
}

var (
	outward = []sdk.Kind{sdk.Expose, sdk.ExposeGateway}
	host    = sdk.Slot{Name: "host", Title: "Metrics of PBX and tunnels (/metrics)", Kinds: outward, Spec: ":9464", On: true}
	node    = sdk.Slot{Name: "node", Title: "Prometheus node exporter of the PBX", Kinds: outward, Spec: "9100:9100"}
	checkmk = sdk.Slot{Name: "checkmk", Title: "Checkmk agent of the PBX", Kinds: outward, Spec: "6556:6556"}
)

// version is the module's, shown by `culvert module show`.
const version = "1.0.0"

func (monitoring) Describe() sdk.Description {
	return sdk.Description{Name: "monitoring", Version: version, Slots: []sdk.Slot{host, node, checkmk}}
}

// Run declares the site's tunnel and serves the metrics for as long as the configuration stays as it is. Without a site
// there is nothing to serve, and it waits: that is a configuration yet to be filled in, not an error.
func (monitoring) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	if !in.Settings.Site.On(host) {
		in.Log.Info("no metrics are served: no site is set, or its slot host is off")
		<-ctx.Done()
		return ctx.Err()
	}
	l, err := in.Listen(in.Settings.Site.Mapping(host))
	if err != nil {
		return err
	}
	return serve(ctx, l, newHandler(ctx, in.List, in.ModuleMetrics, in.Settings.PBX, in.Log), in.Log)
}
