package sdk

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

var (
	users  = Metric{Name: "users", Help: "Users.", Kind: Gauge, Labels: []string{"state"}}
	writes = Metric{Name: "writes_total", Help: "Writes.", Kind: Counter}
	absent = Metric{Name: "absent", Help: "Not listed.", Kind: Gauge}
)

// gauged measures, by a function that is given the metrics of its run.
type gauged struct {
	quiet[struct{}]
	measure func(*Metrics)
}

func (gauged) Metrics() []Metric { return []Metric{users, writes} }

func (m gauged) Run(ctx context.Context, in *Instance[struct{}]) error {
	m.measure(in.Metrics)
	<-ctx.Done()
	return ctx.Err()
}

// measuring are the series, as "name{labels} value", while these configurations run.
func measuring(t *testing.T, measure func(*Metrics), configurations ...string) (out []string, log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := Plugin(gauged{measure: measure})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, c := range configurations {
			go func() { _ = p.Run(ctx, wire.Run{Configuration: c, Log: hclog.New(&hclog.LoggerOptions{Output: &b})}) }()
			synctest.Wait()
		}
		all := p.(wire.Measurer).Metrics()
		if err := tunnel.CheckMetrics(all); err != nil {
			t.Errorf("the host refuses that: %v", err)
		}
		for _, m := range all {
			for _, s := range m.Series {
				out = append(out, fmt.Sprintf("%s{%s} %v", m.Name, strings.Join(append([]string{s.Configuration}, s.Values...), ","), s.Value))
			}
		}
		cancel()
		synctest.Wait()
		log = b.String()
		if all := p.(wire.Measurer).Metrics(); len(all) != 2 || all[0].Series != nil {
			t.Errorf("after the runs there is %+v", all)
		}
	})
	return out, log
}

func TestMetricsOfEachConfiguration(t *testing.T) {
	got, log := measuring(t, func(ms *Metrics) {
		ms.Set(users, 3, "active")
		ms.Set(users, 4, "active")
		ms.Add(users, -1, "active")
		ms.Set(users, 1, "gone")
		ms.Set(users, 1, "new\x1b\n"+strings.Repeat("x", 300))
		ms.Forget(users, "gone")
		ms.Add(writes, 2)
		ms.Add(writes, 0.5)
	}, "berlin", "rome")
	want := []string{"users{berlin,active} 3", `users{berlin,new\x1b\n` + strings.Repeat("x", 75) + "…} 1", "users{rome,active} 3", `users{rome,new\x1b\n` + strings.Repeat("x", 75) + "…} 1",
		"writes_total{berlin} 2.5", "writes_total{rome} 2.5"}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || log != "" {
		t.Errorf("%q\n%s", got, log)
	}
}

// What is set otherwise than it is said changes nothing, and is logged once.
func TestMistakesInMetricsAreLogged(t *testing.T) {
	got, log := measuring(t, func(ms *Metrics) {
		for range 10 {
			ms.Set(absent, 1)
			ms.Set(users, 1)
			ms.Set(users, 1, "a", "b")
			ms.Set(writes, 5)
			ms.Add(writes, -1)
			ms.Set(users, math.NaN(), "x")
			ms.Add(writes, math.Inf(1))
		}
	}, "berlin")
	if len(got) != 0 || strings.Count(log, "a metric is not set as it should be") != 5 {
		t.Errorf("%q\n%s", got, log)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	got, log := measuring(t, func(ms *Metrics) {
		for i := range 3000 {
			ms.Set(users, 1, fmt.Sprint(i))
		}
	}, "berlin", "rome")
	if len(got) != tunnel.MaxSeries || strings.Count(log, "more than 1000 series") != 2 {
		t.Errorf("%d series\n%s", len(got), log)
	}
}

func TestJobsAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		c := newClock(t, clockwork{sync: func(context.Context, *Instance[timetable], *Call) (Result, error) {
			time.Sleep(90 * time.Minute)
			if fail.Load() {
				return Result{}, Failure("no", "")
			}
			return Result{}, nil
		}})
		c.start("every 1h")
		time.Sleep(110 * time.Minute)
		fail.Store(true)
		time.Sleep(120 * time.Minute)
		got := map[string]float64{}
		for _, m := range c.p.(wire.Measurer).Metrics() {
			for _, s := range m.Series {
				got[m.Name+" "+strings.Join(s.Values, " ")] = s.Value
			}
		}
		s := c.status()
		for name, want := range map[string]float64{
			"job_runs_total sync ok": 1, "job_runs_total sync failed": 1, "job_runs_total sync partial": 0, "job_skipped_total sync": 2,
			"job_last_duration_seconds sync": 5400, "job_last_success_timestamp_seconds sync": unix(s.LastSuccess),
		} {
			if got[name] != want {
				t.Errorf("%s is %v, not %v", name, got[name], want)
			}
		}
		c.stop()
	})
}
