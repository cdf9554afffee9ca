package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// worker is a module whose actions, jobs and metrics are what its fields say.
type worker struct {
	scripted
	act     func(ctx context.Context, a Act, report func(tunnel.ActReport)) (tunnel.Result, error)
	jobs    []tunnel.JobStatus
	metrics []tunnel.MetricValues
}

func (w worker) Act(ctx context.Context, a Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
	return w.act(ctx, a, report)
}

func (w worker) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	if configuration != "berlin" {
		return nil, tunnel.Findings{{Code: tunnel.NotFound, Field: "configuration", Value: configuration, Message: "no", WayOut: "-"}}
	}
	return w.jobs, nil
}

func (w worker) Metrics() []tunnel.MetricValues { return w.metrics }

func TestAnActionGoesThereAndBack(t *testing.T) {
	var given Act
	m := moduleOf(t, worker{act: func(_ context.Context, a Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
		given = a
		report(tunnel.ActReport{Progress: &tunnel.Progress{Done: 1, Of: 3, Text: "users\x1b"}})
		report(tunnel.ActReport{Step: &tunnel.TestStep{Name: "bind", Outcome: tunnel.StepOK, Message: "fine"}})
		return tunnel.Result{Outcome: "ok", Message: "red \x1b[31m", Remedy: "r", Counts: []tunnel.Count{{Name: "users", N: 7}}, Columns: []string{"A", "B"},
			Rows: [][]string{{"1"}, {"2", "\n", "3"}}, More: 4}, nil
	}})
	want := Act{Configuration: "berlin", Action: "sync", Arguments: []byte(`{"a":1}`), DryRun: true, By: "operator:7"}
	var got []string
	r, err := m.Act(t.Context(), want, func(r tunnel.ActReport) error {
		if r.Progress != nil {
			got = append(got, fmt.Sprintf("%+v", *r.Progress))
		} else {
			got = append(got, r.Step.Name+" "+r.Step.Message)
		}
		return nil
	})
	result := tunnel.Result{Outcome: "ok", Message: `red \x1b[31m`, Remedy: "r", Counts: []tunnel.Count{{Name: "users", N: 7}}, Columns: []string{"A", "B"},
		Rows: [][]string{{"1", ""}, {"2", `\n`}}, More: 4}
	if err != nil || !reflect.DeepEqual(given, want) || !reflect.DeepEqual(r, result) || fmt.Sprint(got) != `[{Done:1 Of:3 Text:users\x1b} bind fine]` {
		t.Errorf("%v; given %+v\n%+v\n%v", err, given, r, got)
	}
}

func TestAnActionThatComesToNoResult(t *testing.T) {
	stop := errors.New("enough")
	for name, tt := range map[string]struct {
		act    func(ctx context.Context, report func(tunnel.ActReport)) (tunnel.Result, error)
		report error
		want   string
	}{
		"refused": {func(context.Context, func(tunnel.ActReport)) (tunnel.Result, error) {
			return tunnel.Result{}, tunnel.ErrExists
		}, nil, tunnel.ErrExists.Error()},
		"panics": {func(context.Context, func(tunnel.ActReport)) (tunnel.Result, error) { panic("oh") }, nil, "panicked"},
		"too much": {func(context.Context, func(tunnel.ActReport)) (tunnel.Result, error) {
			return tunnel.Result{Rows: make([][]string, 5000)}, nil
		}, nil, "5000 elements are more than"},
		"too large": {func(context.Context, func(tunnel.ActReport)) (tunnel.Result, error) {
			return tunnel.Result{Columns: []string{strings.Repeat("x", 5<<20)}}, nil
		}, nil, "4 MiB"},
		"long text": {func(context.Context, func(tunnel.ActReport)) (tunnel.Result, error) {
			return tunnel.Result{Columns: []string{strings.Repeat("x", 5000)}}, nil
		}, nil, "5000 bytes are more"},
		"empty": {func(_ context.Context, report func(tunnel.ActReport)) (tunnel.Result, error) {
			report(tunnel.ActReport{})
			return tunnel.Result{}, nil
		}, nil, "reports nothing"},
		"by the host's rules": {func(ctx context.Context, report func(tunnel.ActReport)) (tunnel.Result, error) {
			report(tunnel.ActReport{Progress: &tunnel.Progress{}})
			<-ctx.Done()
			return tunnel.Result{}, ctx.Err()
		}, stop, "enough"},
	} {
		m := moduleOf(t, worker{act: func(ctx context.Context, _ Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
			return tt.act(ctx, report)
		}})
		r, err := m.Act(t.Context(), Act{Configuration: "berlin", Action: "a"}, func(tunnel.ActReport) error { return tt.report })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := moduleOf(t, scripted{}).Act(t.Context(), Act{}, nil); err == nil || !strings.Contains(err.Error(), ErrNoWork.Error()) {
		t.Errorf("of one that has no actions: %v", err)
	}
}

func TestJobsGoOverTheWire(t *testing.T) {
	at := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	run := tunnel.JobRun{Began: at, Ended: at.Add(time.Minute), By: "schedule", Result: tunnel.Result{Outcome: "partial", Message: "m", Remedy: "r", Counts: []tunnel.Count{{Name: "n", N: 1}}}}
	full := tunnel.JobStatus{Name: "sync", Schedule: "every 1h", Next: at, Running: &tunnel.JobRun{Began: at, By: "operator:0", DryRun: true}, Progress: tunnel.Progress{Done: 1, Of: 2, Text: "t"},
		Runs: []tunnel.JobRun{run}, LastSuccess: at, Skipped: 3}
	m := moduleOf(t, worker{jobs: []tunnel.JobStatus{full, {Name: "empty", Runs: []tunnel.JobRun{}}}})
	got, err := m.Jobs(t.Context(), "berlin")
	if want := []tunnel.JobStatus{full, {Name: "empty", Runs: []tunnel.JobRun{}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	if _, err := m.Jobs(t.Context(), "rome"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("of one that does not run: %v", err)
	}
	many := worker{jobs: make([]tunnel.JobStatus, tunnel.MaxJobs+1)}
	if _, err := moduleOf(t, many).Jobs(t.Context(), "berlin"); err == nil {
		t.Error("any number of jobs is taken")
	}
}

func TestMetricsGoOverTheWire(t *testing.T) {
	values := []tunnel.MetricValues{{
		Metric: tunnel.Metric{Name: "users", Help: "Users.", Kind: tunnel.Gauge, Labels: []string{"state"}},
		Series: []tunnel.Series{{Configuration: "berlin", Values: []string{"active"}, Value: -1.5}},
	}}
	got, err := moduleOf(t, worker{metrics: values}).Metrics(t.Context())
	if err != nil || !reflect.DeepEqual(got, values) {
		t.Errorf("%v, %+v", err, got)
	}
	change := func(f func(m *tunnel.MetricValues)) []tunnel.MetricValues {
		m := values[0]
		m.Series = []tunnel.Series{m.Series[0]}
		f(&m)
		return []tunnel.MetricValues{m}
	}
	for name, wrong := range map[string][]tunnel.MetricValues{
		"a name":            change(func(m *tunnel.MetricValues) { m.Name = "Users{}" }),
		"a kind":            change(func(m *tunnel.MetricValues) { m.Kind = "histogram" }),
		"help of two lines": change(func(m *tunnel.MetricValues) { m.Help = "a\n# TYPE x" }),
		"a host's label":    change(func(m *tunnel.MetricValues) { m.Labels = []string{"module"} }),
		"a label's value":   change(func(m *tunnel.MetricValues) { m.Series[0].Values = []string{"a\"\n"} }),
		"values too few":    change(func(m *tunnel.MetricValues) { m.Series[0].Values = nil }),
		"no number":         change(func(m *tunnel.MetricValues) { m.Series[0].Value = math.NaN() }),
		"a configuration":   change(func(m *tunnel.MetricValues) { m.Series[0].Configuration = "" }),
		"twice":             append(change(func(*tunnel.MetricValues) {}), change(func(*tunnel.MetricValues) {})...),
		"a series twice":    change(func(m *tunnel.MetricValues) { m.Series = append(m.Series, m.Series[0]) }),
		"too many":          change(func(m *tunnel.MetricValues) { m.Series = make([]tunnel.Series, tunnel.MaxSeries+1) }),
	} {
		if got, err := moduleOf(t, worker{metrics: wrong}).Metrics(t.Context()); err == nil {
			t.Errorf("%s: taken is %+v", name, got)
		}
	}
	if _, err := moduleOf(t, scripted{}).Metrics(t.Context()); err == nil || !strings.Contains(err.Error(), ErrNoMetrics.Error()) {
		t.Errorf("of one that measures nothing: %v", err)
	}
}

func TestAModuleReadsWhatAllMeasure(t *testing.T) {
	all := []tunnel.ModuleMetrics{{Module: "adsync", OK: true, Metrics: []tunnel.MetricValues{{
		Metric: tunnel.Metric{Name: "users", Help: "Users.", Kind: tunnel.Gauge, Labels: []string{"state"}},
		Series: []tunnel.Series{{Configuration: "berlin", Values: []string{"active"}, Value: 2}},
	}}}, {Module: "tapi"}}
	h := hostOf(t, HostServices{Owner: "monitoring", Metrics: func(context.Context) ([]tunnel.ModuleMetrics, error) { return all, nil }})
	if got, err := h.ModuleMetrics(t.Context()); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err := hostOf(t, HostServices{Owner: "monitoring"}).ModuleMetrics(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a host that has none: %v", err)
	}
}

func TestDescriptionsOfWorkGoOverTheWire(t *testing.T) {
	d := tunnel.Description{Name: "adsync", Version: "1",
		Actions: []tunnel.Action{{Name: "a", Title: "T", Help: "H", Arguments: []byte(`{}`), DryRun: true, Seconds: 5}},
		Jobs:    []tunnel.Job{{Name: "j", Title: "T", Help: "H", DryRun: true, Seconds: 7}}}
	got, err := moduleOf(t, scripted{description: d}).Describe(t.Context())
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%v\n%+v", err, got)
	}
}
