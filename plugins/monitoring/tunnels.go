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

	tunnelLink    = desc("culvert_tunnel_link_up", "Whether the SSH connection stands, whatever its mappings.", "tunnel", "owner")
	tunnelProblem = desc("culvert_tunnel_problem", "1 with the reason why the tunnel is not up, and its cause where that is told apart.",
		"tunnel", "owner", "reason", "cause")
	tunnelMetrics = []*prometheus.Desc{registryUp, tunnelUp, tunnelState, tunnelSince, tunnelLink, tunnelProblem}

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
	oneOf(ch, tunnelState, states, v.Status.State, []string{name, owner})
	moment(ch, tunnelSince, v.Status.Since, name, owner)
	ch <- gauge(tunnelLink, truth(v.Status.Link.State == tunnel.Up), name, owner)
	problem(ch, tunnelProblem, v.Status.Reason, v.Status.Diagnosis, name, owner)
	for _, m := range v.Mappings {
		collectMapping(ch, v.Status.Mapping(m.Name), name, owner, m.Name, string(m.Kind))
	}
}

// problem leaves out what is as it should be.
func problem(ch chan<- prometheus.Metric, d *prometheus.Desc, r tunnel.Reason, why *tunnel.Diagnosis, labels ...string) {
	if r != "" {
		ch <- gauge(d, 1, slices.Concat(labels, []string{string(r), string(why.Code())})...)
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
