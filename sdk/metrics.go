package sdk

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Measurer is a [Module] that measures what it does. An author says so with
//
//	var _ sdk.Measurer = adsync{}
//
// lists what is measured, and sets the values wherever they come up:
//
//	var users = sdk.Metric{Name: "users", Help: "Users of the directory.", Kind: sdk.Gauge, Labels: []string{"state"}}
//
//	func (adsync) Metrics() []sdk.Metric { return []sdk.Metric{users} }
//
//	in.Metrics.Set(users, 12, "active")
//
// Module monitoring shows them as culvert_MODULE_NAME, here culvert_adsync_users, with the label configuration beside those
// of the metric. What is measured of jobs needs no line of code.
type Measurer interface {
	// Metrics lists what the module measures. It needs neither settings nor the host, and always returns the same.
	Metrics() []Metric
}

// Metric is one thing that a module measures: a [Counter], whose name ends in _total, or a [Gauge]. At most
// tunnel.MaxMetrics of them, with tunnel.MaxSeries series together: labels are for what there are few of, never for users,
// numbers or addresses.
type Metric = tunnel.Metric

// The kinds of metric.
const (
	Counter = tunnel.Counter
	Gauge   = tunnel.Gauge
)

// Metrics are the values of one run, gone with it. Its methods are safe for concurrent use. A metric that Metrics does not
// list, a number of labels that is not the metric's, and more series than there may be change nothing and are logged once.
type Metrics struct {
	log hclog.Logger

	mu     sync.Mutex
	known  map[string]*measured
	series int
	wrong  map[string]bool
}

// measured is one metric with its values, by those of its labels.
type measured struct {
	Metric
	values map[string]tunnel.Series
}

func newMetrics(all []Metric, log hclog.Logger) *Metrics {
	ms := &Metrics{log: log, known: map[string]*measured{}, wrong: map[string]bool{}}
	for _, m := range all {
		ms.known[m.Name] = &measured{m, map[string]tunnel.Series{}}
	}
	return ms
}

// Set gives a gauge the value v.
func (ms *Metrics) Set(m Metric, v float64, labels ...string) {
	ms.change(m, labels, func(s *tunnel.Series) bool {
		s.Value = v
		return m.Kind == Gauge
	})
}

// Add adds d to a counter, where it is not below zero, or to a gauge.
func (ms *Metrics) Add(m Metric, d float64, labels ...string) {
	ms.change(m, labels, func(s *tunnel.Series) bool {
		s.Value += d
		return d >= 0 || m.Kind == Gauge
	})
}

// Forget leaves out the series of a metric with these labels, or all of them without any.
func (ms *Metrics) Forget(m Metric, labels ...string) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	known := ms.known[m.Name]
	if known == nil {
		return
	}
	ms.series -= len(known.values)
	if len(labels) == 0 {
		clear(known.values)
	} else {
		delete(known.values, key(shown(labels)))
	}
	ms.series += len(known.values)
}

// change changes one series by f, which says whether that can be done.
func (ms *Metrics) change(m Metric, labels []string, f func(*tunnel.Series) bool) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	known := ms.known[m.Name]
	if known == nil || len(labels) != len(known.Labels) {
		ms.mistakeLocked(m.Name, fmt.Sprintf("it is not listed by Metrics with %d labels", len(labels)))
		return
	}
	labels = shown(labels)
	k := key(labels)
	s, there := known.values[k]
	if !there {
		if ms.series >= tunnel.MaxSeries {
			ms.mistakeLocked(m.Name, fmt.Sprintf("there are more than %d series", tunnel.MaxSeries))
			return
		}
		s.Values = labels
	}
	if !f(&s) || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		ms.mistakeLocked(m.Name, "its value is a number, and to a counter one is added that is not below 0")
		return
	}
	if !there {
		ms.series++
	}
	known.values[k] = s
}

func (ms *Metrics) mistakeLocked(name, what string) {
	if !ms.wrong[name+what] && len(ms.wrong) < tunnel.MaxMetrics {
		ms.wrong[name+what] = true
		ms.log.Error("a metric is not set as it should be", "metric", name, "error", what)
	}
}

// of are the series of each of these metrics, as those of a configuration.
func (ms *Metrics) of(all []tunnel.MetricValues, configuration string) [][]tunnel.Series {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return each(all, func(m tunnel.MetricValues) (out []tunnel.Series) {
		values := ms.known[m.Name].values
		for _, k := range slices.Sorted(maps.Keys(values)) {
			s := values[k]
			s.Configuration = configuration
			out = append(out, s)
		}
		return out
	})
}

// shown are values of labels as they may be: one line, not too long.
func shown(labels []string) []string {
	return each(labels, func(l string) string { return tunnel.Clean(l, tunnel.MaxLabelValue-16) })
}

// Metrics is what all runs of the module measure.
func (p plugin[S]) Metrics() []tunnel.MetricValues {
	out := each(p.metrics(), func(m Metric) tunnel.MetricValues { return tunnel.MetricValues{Metric: m} })
	left := tunnel.MaxSeries
	for _, l := range p.lives.sorted() {
		for i, m := range l.in.Metrics.of(out, l.in.Configuration) {
			n := min(len(m), left)
			out[i].Series = append(out[i].Series, m[:n]...)
			left -= n
		}
	}
	return out
}

func key(labels []string) string { return strings.Join(labels, "\x00") }

func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// ModuleMetrics is what every module measures that runs, in the order of their names: for a module that shows it, as
// monitoring does. A module that does not answer in time is listed without being OK.
func (in *Instance[S]) ModuleMetrics(ctx context.Context) ([]tunnel.ModuleMetrics, error) {
	return in.host.ModuleMetrics(ctx)
}
