package main

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// measured asks what every module measures, as sdk.Instance does.
type measured func(context.Context) ([]tunnel.ModuleMetrics, error)

// moduleCollector makes the series of the modules: what each measures itself as culvert_MODULE_NAME, and what is measured
// of every job as pbx_job_NAME.
type moduleCollector struct {
	ctx context.Context
	ask measured
	log hclog.Logger
}

var (
	moduleUp = desc("culvert_module_metrics_up", "Whether the module said what it measures; without it its other series are missing.", "module")

	// jobSeries are those of jobs, with the labels that they have beside module and configuration.
	jobSeries = map[string][]string{
		"last_success_timestamp_seconds": {"job"}, "runs_total": {"job", "outcome"}, "skipped_total": {"job"}, "last_duration_seconds": {"job"},
	}
)

// Describe says nothing, for what modules measure is known at the scrape alone.
func (*moduleCollector) Describe(chan<- *prometheus.Desc) {}

// Collect takes at most listLimit. An older host that does not know metrics has none.
func (c *moduleCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.ctx, listLimit)
	defer cancel()
	all, err := c.ask(ctx)
	if err != nil {
		c.log.Warn("what the modules measure could not be read for a scrape", "error", err)
		return
	}
	page := modulePage{ch: ch, descs: map[string]*prometheus.Desc{}, meant: map[string]tunnel.Metric{}}
	for _, m := range all {
		ch <- gauge(moduleUp, truth(m.OK), string(m.Module))
		for _, v := range m.Metrics {
			if !page.add(m.Module, v) {
				c.log.Warn("left out of a scrape, for something else is called so", "module", m.Module, "metric", v.Name)
			}
		}
	}
}

// modulePage is one scrape under way: one name has one meaning in it.
type modulePage struct {
	ch    chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
	meant map[string]tunnel.Metric
}

// add adds a metric of a module; false where its name means something else already.
func (p *modulePage) add(module tunnel.Owner, v tunnel.MetricValues) bool {
	name, labels, ours := seriesName(module, v.Metric)
	if !ours {
		return false
	}
	if _, there := p.descs[name]; !there {
		p.descs[name], p.meant[name] = desc(name, v.Help, labels...), v.Metric
	}
	if is := p.meant[name]; is.Help != v.Help || is.Kind != v.Kind || !slices.Equal(is.Labels, v.Labels) {
		return false
	}
	for _, s := range v.Series {
		values := append([]string{string(module), s.Configuration}, s.Values...)
		if v.Kind == tunnel.Counter {
			p.ch <- counter(p.descs[name], s.Value, values...)
		} else {
			p.ch <- gauge(p.descs[name], s.Value, values...)
		}
	}
	return true
}

// seriesName is what a metric of a module is called on the page, with its labels; false where the host's own series are
// called so, or jobs have none of that name.
func seriesName(module tunnel.Owner, m tunnel.Metric) (name string, labels []string, ok bool) {
	labels = append([]string{"module", "configuration"}, m.Labels...)
	if of, job := strings.CutPrefix(m.Name, tunnel.MetricJobs); job {
		return "pbx_job_" + of, labels, slices.Equal(jobSeries[of], m.Labels)
	}
	name = "culvert_" + strings.ReplaceAll(string(module), "-", "_") + "_" + m.Name
	for _, own := range []string{"culvert_tunnel_", "culvert_mapping_", "culvert_registry_", "culvert_module_"} {
		if strings.HasPrefix(name, own) {
			return "", nil, false
		}
	}
	return name, labels, true
}
