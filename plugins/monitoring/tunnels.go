package main

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tunnelCollector makes the culvert_* series from what the host says at the moment of the scrape.
type tunnelCollector struct {
	ctx  context.Context
	list list
	log  hclog.Logger
}

var (
	registryUp = desc("culvert_registry_up", "Whether the host answered this scrape; without it the other culvert_ series are missing.")

	tunnelUp    = desc("culvert_tunnel_up", "Whether every mapping of the tunnel is proved to carry data.", "tunnel", "owner")
	tunnelState = desc("culvert_tunnel_state", "1 for the state the tunnel is in, 0 for the others.", "tunnel", "owner", "state")
	tunnelSince = desc("culvert_tunnel_state_since_timestamp_seconds", "When the tunnel got into its state.", "tunnel", "owner")

	mappingLabels  = []string{"tunnel", "owner", "mapping", "kind"}
	mappingUp      = desc("culvert_mapping_up", "Whether the mapping is proved to carry data.", mappingLabels...)
	mappingProved  = desc("culvert_mapping_proved_timestamp_seconds", "When a proof of the mapping last held.", mappingLabels...)
	mappingTarget  = desc("culvert_mapping_target_proved_timestamp_seconds", "When the service behind the mapping last answered.", mappingLabels...)
	mappingOpen    = desc("culvert_mapping_connections", "Connections open through the mapping.", mappingLabels...)
	mappingFrom    = desc("culvert_mapping_in_bytes_total", "Bytes from the site to the PBX.", mappingLabels...)
	mappingTo      = desc("culvert_mapping_out_bytes_total", "Bytes from the PBX to the site.", mappingLabels...)
	tunnelMetrics  = []*prometheus.Desc{registryUp, tunnelUp, tunnelState, tunnelSince}
	mappingMetrics = []*prometheus.Desc{mappingUp, mappingProved, mappingTarget, mappingOpen, mappingFrom, mappingTo}

	states = []tunnel.State{
		tunnel.Disabled, tunnel.Inactive, tunnel.Connecting, tunnel.Up, tunnel.Degraded, tunnel.Waiting, tunnel.Blocked,
	}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func (*tunnelCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(tunnelMetrics, mappingMetrics) {
		ch <- d
	}
}

// Collect takes at most listLimit. All series or none: a half list would look like tunnels that are gone.
func (c *tunnelCollector) Collect(ch chan<- prometheus.Metric) {
	views, err := c.read()
	if err != nil {
		c.log.Warn("the tunnels could not be read for a scrape", "error", err)
		ch <- gauge(registryUp, 0)
		return
	}
	ch <- gauge(registryUp, 1)
	for _, v := range views {
		collectTunnel(ch, v)
	}
}

func (c *tunnelCollector) read() ([]tunnel.View, error) {
	ctx, cancel := context.WithTimeout(c.ctx, listLimit)
	defer cancel()
	var views []tunnel.View
	for v, err := range c.list(ctx) {
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func collectTunnel(ch chan<- prometheus.Metric, v tunnel.View) {
	name, owner := v.Ref.String(), string(v.Ref.Owner)
	ch <- gauge(tunnelUp, truth(v.Status.State == tunnel.Up), name, owner)
	for _, s := range states {
		ch <- gauge(tunnelState, truth(v.Status.State == s), name, owner, string(s))
	}
	moment(ch, tunnelSince, v.Status.Since, name, owner)
	for _, m := range v.Mappings {
		s := v.Status.Mapping(m.Name)
		labels := []string{name, owner, m.Name, string(m.Kind)}
		ch <- gauge(mappingUp, truth(s.State == tunnel.Up), labels...)
		moment(ch, mappingProved, s.ProvedAt, labels...)
		moment(ch, mappingTarget, s.TargetProvedAt, labels...)
		ch <- gauge(mappingOpen, float64(s.Connections), labels...)
		ch <- counter(mappingFrom, float64(s.BytesIn), labels...)
		ch <- counter(mappingTo, float64(s.BytesOut), labels...)
	}
}

// moment leaves out a time that does not apply.
func moment(ch chan<- prometheus.Metric, d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		ch <- gauge(d, float64(t.UnixMilli())/1000, labels...)
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
