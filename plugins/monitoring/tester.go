package main

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/culvert-pbx/culvert/sdk"
)

var _ sdk.Tester[settings] = monitoring{}

// Test checks that there is something to scrape, and that what is exposed comes out at the site.
func (monitoring) Test(_ context.Context, in *sdk.Instance[settings], t *sdk.Steps) {
	t.Do("metrics", func(ctx context.Context) (string, error) {
		return countSeries(newRegistry(ctx, in.List, in.ModuleMetrics, in.Settings.PBX, in.Log))
	})
	t.Do("tunnel", in.TunnelIsUp(in.Settings.Site))
	for _, s := range []sdk.Slot{host, node, checkmk} {
		t.Do("slot "+s.Name, in.MappingIsUp(in.Settings.Site.Mapping(s)), "tunnel")
	}
}

// countSeries scrapes the module's own page, without the way to it.
func countSeries(g prometheus.Gatherer) (string, error) {
	families, err := g.Gather()
	if err != nil {
		return "", err
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
		if f.GetName() == "culvert_registry_up" && f.GetMetric()[0].GetGauge().GetValue() == 0 {
			return "", sdk.Failure("the host does not say which tunnels there are", "see the module's log")
		}
	}
	return fmt.Sprintf("%d series", n), nil
}
