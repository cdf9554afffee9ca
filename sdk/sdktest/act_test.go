package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// worker copies numbers: when it is asked, and by a schedule.
type worker struct{}

type workerSettings struct {
	Site     sdk.Site     `json:"site" slots:"ldap"`
	Schedule sdk.Schedule `json:"schedule" default:"every 1h"`
}

type copying struct {
	Count int `json:"count" title:"How many" default:"3" min:"1" max:"9"`
}

var (
	_ sdk.Actor[workerSettings]  = worker{}
	_ sdk.Worker[workerSettings] = worker{}
	_ sdk.Measurer               = worker{}

	copied = sdk.Metric{Name: "copied_total", Help: "Numbers copied.", Kind: sdk.Counter, Labels: []string{"how"}}
)

func (worker) Describe() sdk.Description {
	return sdk.Description{Name: "worker", Version: "1", Slots: []sdk.Slot{ldap}}
}

func (worker) Run(ctx context.Context, in *sdk.Instance[workerSettings]) error {
	return in.Declare(ctx, in.Settings.Site.Tunnel())
}

func (w worker) Actions() []sdk.Action[workerSettings] {
	return []sdk.Action[workerSettings]{{
		Name: "copy", Title: "Copy numbers", Help: "Copies numbers from the directory.", Arguments: copying{}, DryRun: true, Limit: time.Minute, Do: w.copy,
	}, {
		Name: "wipe", Title: "Wipe", Help: "Forgets all numbers.", Do: func(context.Context, *sdk.Instance[workerSettings], *sdk.Call) (sdk.Result, error) {
			return sdk.Result{}, errors.New("there are none")
		},
	}}
}

func (w worker) Jobs() []sdk.Job[workerSettings] {
	return []sdk.Job[workerSettings]{{
		Name: "copy", Title: "Copy numbers", Help: "Copies numbers from the directory.", DryRun: true, Limit: time.Minute, Do: w.copy,
		Schedule: func(s workerSettings) sdk.Schedule { return s.Schedule },
	}}
}

func (worker) Metrics() []sdk.Metric { return []sdk.Metric{copied} }

func (worker) copy(ctx context.Context, in *sdk.Instance[workerSettings], c *sdk.Call) (sdk.Result, error) {
	var args copying
	if err := c.Read(&args); err != nil {
		return sdk.Result{}, err
	}
	c.Do("connect", func(ctx context.Context) (string, error) {
		conn, err := in.Dial(ctx, in.Settings.Site.Mapping(ldap))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
		answer, err := io.ReadAll(io.MultiReader(strings.NewReader(""), conn))
		return string(answer), err
	})
	for i := range args.Count {
		c.Progress(i+1, args.Count, "numbers")
	}
	if !c.DryRun {
		in.Metrics.Add(copied, float64(args.Count), "all")
	}
	return sdk.Result{Message: fmt.Sprintf("%d numbers", args.Count)}, ctx.Err()
}

const workerSite = `{"site":{"server":"s@site.example"}}`

func TestAnActionIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, worker{}, `{"schedule":"off","site":{"server":"s@site.example"}}`)
		w.Serve("site/ldap", greetNobody)
		var seen []string
		got, err := w.Act(t.Context(), "copy", sdktest.Ask{Arguments: `{"count":2}`, See: func(r tunnel.ActReport) {
			if r.Step != nil {
				seen = append(seen, string(r.Step.Outcome))
			}
		}})
		if err != nil || got.Outcome != tunnel.ResultOK || got.Message != "2 numbers" {
			t.Errorf("it comes to %+v, %v", got, err)
		}
		if !slices.Equal(seen, []string{"running", "ok"}) || len(got.Steps) != 1 || len(got.Progress) == 0 || got.Progress[len(got.Progress)-1].Done != 2 {
			t.Errorf("steps %v and %+v, progress %+v", seen, got.Steps, got.Progress)
		}
		if want := `culvert_worker_copied_total{configuration="default",how="all"} 2` + "\n"; !strings.Contains(w.Scrape(), want) {
			t.Errorf("it measures\n%s", w.Scrape())
		}
		if got, err := w.Act(t.Context(), "copy", sdktest.Ask{DryRun: true}); err != nil || got.Message != "3 numbers" || !strings.Contains(w.Scrape(), "} 2\n") {
			t.Errorf("a dry run comes to %+v, %v, and %s", got, err, w.Scrape())
		}
		if got, err := w.Act(t.Context(), "wipe", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultFailed || got.Message != "there are none" {
			t.Errorf("what fails comes to %+v, %v", got, err)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func greetNobody(net.Conn) {}

// What the host refuses is refused before the module sees it.
func TestAnActionIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, worker{}, `{"schedule":"off"}`)
		for name, c := range map[string]struct {
			ask  sdktest.Ask
			name string
			want string
		}{
			"unknown":   {sdktest.Ask{}, "paste", "the module has no action paste"},
			"arguments": {sdktest.Ask{Arguments: `{"count":10}`}, "copy", "count"},
			"dry run":   {sdktest.Ask{DryRun: true}, "wipe", "action wipe has no dry run"},
		} {
			if _, err := w.Act(t.Context(), c.name, c.ask); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.RunJob(t.Context(), "paste", sdktest.Ask{}); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("a job that there is not: %v", err)
		}
		_ = w.Stop()
		if _, err := w.Act(t.Context(), "copy", sdktest.Ask{}); !errors.Is(err, tunnel.ErrNotFound) || !strings.Contains(err.Error(), "does not run") {
			t.Errorf("without a run: %v", err)
		}
	})
}

// An action ends with the context of who asked.
func TestAnActionIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, worker{}, `{"schedule":"off","site":{"server":"s@site.example"}}`) // where nothing answers
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		got, err := w.Act(ctx, "copy", sdktest.Ask{})
		if took := time.Since(began); took != 3*time.Second || err == nil && got.Outcome != tunnel.ResultFailed {
			t.Errorf("after %v it comes to %+v, %v", took, got, err)
		}
	})
}

// In virtual time a job is due each time that it says, at once where it never was, and its run takes no time but its own.
func TestAJobByItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, worker{}, workerSite)
		w.Serve("site/ldap", greetNobody)
		time.Sleep(12*time.Hour + time.Minute)
		jobs := w.Jobs()
		if len(jobs) != 1 || len(jobs[0].Runs) != 13 || jobs[0].LastSuccess.IsZero() || jobs[0].Schedule != "every 1h" {
			t.Fatalf("after 12 h the jobs are %+v", jobs)
		}
		if next := time.Until(jobs[0].Next); next <= 0 || next > time.Hour {
			t.Errorf("it is due next in %v", next)
		}
		if !strings.Contains(w.Scrape(), `culvert_worker_job_runs_total{configuration="default",job="copy",outcome="ok"} 13`) {
			t.Errorf("it measures\n%s", w.Scrape())
		}
		got, err := w.RunJob(t.Context(), "copy", sdktest.Ask{DryRun: true})
		if err != nil || got.Outcome != tunnel.ResultOK || !w.Jobs()[0].Runs[0].DryRun {
			t.Errorf("asked for, it comes to %+v, %v", got, err)
		}
	})
}

// Of one job there is one run at a time, which has a limit.
func TestAJobThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, worker{}, workerSite)
		w.Serve("site/ldap", greetNobody)
		w.Fault("site", sdktest.Freeze)
		time.Sleep(40 * time.Second) // it was due at once, but for its jitter
		if jobs := w.Jobs(); len(jobs) != 1 || jobs[0].Running == nil {
			t.Fatalf("the jobs are %+v", jobs)
		}
		if _, err := w.RunJob(t.Context(), "copy", sdktest.Ask{}); !errors.Is(err, tunnel.ErrExists) {
			t.Errorf("while it runs: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if jobs := w.Jobs(); jobs[0].Running != nil || jobs[0].Runs[0].Result.Outcome != tunnel.ResultFailed {
			t.Errorf("behind its limit the jobs are %+v", jobs)
		}
	})
}

// The metrics of other modules are the test's to say, for a module that shows all.
func TestMetricsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []tunnel.ModuleMetrics
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) (err error) {
			got, err = in.ModuleMetrics(ctx)
			return err
		}), noSite)
		synctest.Wait()
		if len(got) != 0 {
			t.Errorf("alone it sees %+v", got)
		}
		w.AddMetrics(tunnel.ModuleMetrics{Module: "tapi", OK: true})
		w.AddMetrics(tunnel.ModuleMetrics{Module: "phones"})
		_ = w.Restart()
		synctest.Wait()
		if len(got) != 2 || got[0].Module != "phones" || got[1].Module != "tapi" {
			t.Errorf("it sees %+v", got)
		}
	})
}
