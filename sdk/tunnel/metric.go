package tunnel

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// CapabilityMetrics is what a module that measures something says in its Description.
const CapabilityMetrics = "metrics"

// Bounds of what one module measures.
const (
	MaxMetrics     = 50
	MaxSeries      = 1000 // of all its metrics and configurations together
	MaxLabels      = 5
	MaxMetricName  = 60
	MaxLabelValue  = 100 // bytes
	maxMetricHelp  = 200
	MetricJobs     = "job_" // begins the names of what the SDK measures of jobs
	metricReserved = "configuration module job pbx"
)

// MetricKind says what the values of a metric are.
type MetricKind string

// The kinds of metric.
const (
	Counter MetricKind = "counter" // only rises while the module runs; its name ends in _total
	Gauge   MetricKind = "gauge"
)

// Metric is one thing that a module measures. Its name is seen outside as culvert_MODULE_NAME, with the label
// configuration beside its own.
type Metric struct {
	Name   string // lower-case letters, digits and _: "users", "synced_users_total"
	Help   string // one sentence
	Kind   MetricKind
	Labels []string // names like Name's
}

// MetricValues is a metric with its present values.
type MetricValues struct {
	Metric
	Series []Series
}

// Series is the value of a metric for some values of its labels.
type Series struct {
	Configuration string
	Values        []string // one for each label
	Value         float64
}

// ModuleMetrics is what one module measures. Where it did not answer, Metrics is empty and OK false.
type ModuleMetrics struct {
	Module  Owner
	OK      bool
	Metrics []MetricValues
}

// CheckMetric says what is wrong with a metric of a module's, nil for nothing.
func CheckMetric(m Metric) error {
	switch {
	case !metricText(m.Name, MaxMetricName):
		return fmt.Errorf("a metric is called %s: use at most %d lower-case letters, digits and _, beginning with a letter", quoted(m.Name), MaxMetricName)
	case m.Kind != Counter && m.Kind != Gauge:
		return fmt.Errorf("metric %s is a %s: it is a counter or a gauge", m.Name, quoted(string(m.Kind)))
	case (m.Kind == Counter) != strings.HasSuffix(m.Name, "_total"):
		return fmt.Errorf("metric %s: the name of a counter ends in _total, that of a gauge does not", m.Name)
	case m.Help == "" || len(m.Help) > maxMetricHelp || Clean(m.Help, maxMetricHelp) != m.Help:
		return fmt.Errorf("metric %s: its help is one line of at most %d bytes", m.Name, maxMetricHelp)
	case len(m.Labels) > MaxLabels:
		return fmt.Errorf("metric %s has %d labels, use at most %d", m.Name, len(m.Labels), MaxLabels)
	}
	for i, l := range m.Labels {
		if !metricText(l, MaxName) || slices.Contains(m.Labels[:i], l) {
			return fmt.Errorf("metric %s: label %s is no name or stands there twice", m.Name, quoted(l))
		}
		if slices.Contains(strings.Fields(metricReserved), l) && !strings.HasPrefix(m.Name, MetricJobs) {
			return fmt.Errorf("metric %s: label %s is the host's own", m.Name, l)
		}
	}
	return nil
}

// CheckMetrics says what is wrong with everything that a module says it measures, nil for nothing.
func CheckMetrics(all []MetricValues) error {
	if len(all) > MaxMetrics {
		return fmt.Errorf("the module has %d metrics, use at most %d", len(all), MaxMetrics)
	}
	names, series := map[string]bool{}, 0
	for _, m := range all {
		if err := CheckMetric(m.Metric); err != nil {
			return err
		}
		if names[m.Name] {
			return fmt.Errorf("there are two metrics %s", m.Name)
		}
		names[m.Name] = true
		if series += len(m.Series); series > MaxSeries {
			return fmt.Errorf("the module has more than %d series", MaxSeries)
		}
		if err := checkSeries(m); err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
	}
	return nil
}

func checkSeries(m MetricValues) error {
	seen := map[string]bool{}
	for _, s := range m.Series {
		if fs := CheckName(s.Configuration, MaxName); len(fs) > 0 {
			return fs.In("configuration")
		}
		if len(s.Values) != len(m.Labels) {
			return fmt.Errorf("a series has %d values for %d labels", len(s.Values), len(m.Labels))
		}
		for _, v := range s.Values {
			if len(v) > MaxLabelValue || Clean(v, 4*MaxLabelValue) != v {
				return fmt.Errorf("the value %s of a label is not one line of at most %d bytes", quoted(v), MaxLabelValue)
			}
		}
		if math.IsInf(s.Value, 0) || math.IsNaN(s.Value) || m.Kind == Counter && s.Value < 0 {
			return fmt.Errorf("%v is not its value", s.Value)
		}
		key := strings.Join(append([]string{s.Configuration}, s.Values...), "\x00")
		if seen[key] {
			return fmt.Errorf("a series is there twice")
		}
		seen[key] = true
	}
	return nil
}

// metricText reports whether s is [a-z][a-z0-9_]*, at most limit long.
func metricText(s string, limit int) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '_' && !digit(c)) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}
