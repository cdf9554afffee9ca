package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// none is a host whose modules measure nothing.
func none(context.Context) ([]tunnel.ModuleMetrics, error) { return nil, nil }

// metric is one with a single series.
func metric(name string, kind tunnel.MetricKind, v float64, labels ...string) tunnel.MetricValues {
	m := tunnel.MetricValues{Metric: tunnel.Metric{Name: name, Help: "What " + name + " is.", Kind: kind}, Series: []tunnel.Series{{Configuration: "default", Value: v}}}
	for i := 0; i < len(labels); i += 2 {
		m.Labels, m.Series[0].Values = append(m.Labels, labels[i]), append(m.Series[0].Values, labels[i+1])
	}
	return m
}

// pageOf is the page where the modules measure that.
func pageOf(t *testing.T, pbx string, all ...tunnel.ModuleMetrics) series {
	t.Helper()
	for _, m := range all {
		if err := tunnel.CheckMetrics(m.Metrics); err != nil {
			t.Fatal(err) // the host would not have let it through
		}
	}
	measures := func(context.Context) ([]tunnel.ModuleMetrics, error) { return all, nil }
	return parse(t, get(newHandler(t.Context(), of(), measures, pbx, quiet), "/metrics").Body.String())
}

func TestModulesAreRelayedUnderTheirNames(t *testing.T) {
	got := pageOf(t, "berlin",
		tunnel.ModuleMetrics{Module: "adsync", OK: true, Metrics: []tunnel.MetricValues{
			metric("users", tunnel.Gauge, 12, "state", `ac"tive`), metric("errors_total", tunnel.Counter, 3),
			metric("job_last_success_timestamp_seconds", tunnel.Gauge, 1000, "job", "sync"), metric("job_runs_total", tunnel.Counter, 7, "job", "sync", "outcome", "ok"),
		}},
		tunnel.ModuleMetrics{Module: "call-recording", OK: true, Metrics: []tunnel.MetricValues{
			metric("users", tunnel.Gauge, 2), metric("job_last_success_timestamp_seconds", tunnel.Gauge, 2000, "job", "upload"),
		}},
		tunnel.ModuleMetrics{Module: "tapi"})
	got.has(t, series{
		`culvert_adsync_users{configuration="default",module="adsync",pbx="berlin",state="ac"tive"}`:                        12,
		`culvert_adsync_errors_total{configuration="default",module="adsync",pbx="berlin"}`:                                 3,
		`culvert_call_recording_users{configuration="default",module="call-recording",pbx="berlin"}`:                        2,
		`pbx_job_last_success_timestamp_seconds{configuration="default",job="sync",module="adsync",pbx="berlin"}`:           1000,
		`pbx_job_last_success_timestamp_seconds{configuration="default",job="upload",module="call-recording",pbx="berlin"}`: 2000,
		`pbx_job_runs_total{configuration="default",job="sync",module="adsync",outcome="ok",pbx="berlin"}`:                  7,
		`culvert_module_metrics_up{module="adsync",pbx="berlin"}`:                                                           1,
		`culvert_module_metrics_up{module="tapi",pbx="berlin"}`:                                                             0,
	})
}

// No module can take a name that means something else, and none spoils the page.
func TestANameHasOneMeaning(t *testing.T) {
	got := pageOf(t, "",
		tunnel.ModuleMetrics{Module: "a", OK: true, Metrics: []tunnel.MetricValues{metric("big_users", tunnel.Gauge, 1), metric("ok", tunnel.Gauge, 1)}},
		tunnel.ModuleMetrics{Module: "a-big", OK: true, Metrics: []tunnel.MetricValues{metric("users", tunnel.Gauge, 2, "label", "x")}},
		tunnel.ModuleMetrics{Module: "tunnel", OK: true, Metrics: []tunnel.MetricValues{metric("up", tunnel.Gauge, 1, "tunnel", "adsync/x")}},
		tunnel.ModuleMetrics{Module: "module", OK: true, Metrics: []tunnel.MetricValues{metric("metrics_up", tunnel.Gauge, 1)}},
		tunnel.ModuleMetrics{Module: "liar", OK: true, Metrics: []tunnel.MetricValues{
			metric("job_runs_total", tunnel.Counter, 1), metric("job_of_mine", tunnel.Gauge, 1, "module", "adsync"),
			metric("job_last_success_timestamp_seconds", tunnel.Gauge, 1, "module", "adsync"),
		}})
	got.has(t, series{
		`culvert_a_big_users{configuration="default",module="a"}`: 1, `culvert_a_ok{configuration="default",module="a"}`: 1,
		`culvert_registry_up`: 1, `culvert_module_metrics_up{module="liar"}`: 1,
	})
	for name := range got {
		if strings.Contains(name, "a-big") && !strings.HasPrefix(name, "culvert_module_metrics_up") || strings.HasPrefix(name, "pbx_job") || strings.Contains(name, "adsync") {
			t.Errorf("there is %s", name)
		}
	}
}

func TestModulesThatCannotBeAskedSpoilNothing(t *testing.T) {
	broken := func(context.Context) ([]tunnel.ModuleMetrics, error) { return nil, errors.ErrUnsupported }
	got := parse(t, get(newHandler(t.Context(), of(), broken, "", quiet), "/metrics").Body.String())
	got.has(t, series{"culvert_registry_up": 1})
	synctest.Test(t, func(t *testing.T) {
		deaf := func(ctx context.Context) ([]tunnel.ModuleMetrics, error) { <-ctx.Done(); return nil, ctx.Err() }
		began := time.Now()
		got := parse(t, get(newHandler(t.Context(), of(), deaf, "", quiet), "/metrics").Body.String())
		got.has(t, series{"culvert_registry_up": 1})
		if took := time.Since(began); took != listLimit {
			t.Errorf("the page took %v", took)
		}
	})
}
