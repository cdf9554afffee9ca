package control_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// run is a run of a job by schedule that ended so.
func run(outcome string) tunnel.JobRun {
	return tunnel.JobRun{Began: noon, Ended: noon, By: tunnel.BySchedule, Result: tunnel.Result{Outcome: outcome, Message: "the DC refuses", Remedy: "mend it"}}
}

func dry(r tunnel.JobRun) tunnel.JobRun {
	r.DryRun = true
	return r
}

// A job whose last run failed is a problem; dry runs say nothing of it, nor does a job that nobody wants.
func TestStatusSaysHowTheJobsAre(t *testing.T) {
	const ok, partial, failed = tunnel.ResultOK, tunnel.ResultPartial, tunnel.ResultFailed
	for _, tt := range []struct {
		name          string
		runs          []tunnel.JobRun
		running       time.Duration // for how long, of an hour
		off, disabled bool
		why           string
		problem, note tunnel.Reason
		jobs          map[string]int
	}{
		{name: "never ran", jobs: map[string]int{"not-run": 1}},
		{name: "ok", runs: []tunnel.JobRun{run(ok), run(failed)}, jobs: map[string]int{"ok": 1}},
		{name: "failed", runs: []tunnel.JobRun{run(failed), run(ok)}, problem: tunnel.JobFailed, jobs: map[string]int{"failed": 1}},
		{name: "partial", runs: []tunnel.JobRun{run(partial), run(failed)}, note: tunnel.JobPartial, jobs: map[string]int{"partial": 1}},
		{name: "failed, then dry runs", runs: []tunnel.JobRun{dry(run(ok)), dry(run(ok)), run(failed)}, problem: tunnel.JobFailed, jobs: map[string]int{"failed": 1}},
		{name: "a dry run failed", runs: []tunnel.JobRun{dry(run(failed)), run(ok)}, jobs: map[string]int{"ok": 1}},
		{name: "a dry run alone", runs: []tunnel.JobRun{dry(run(failed))}, jobs: map[string]int{"not-run": 1}},
		{name: "failed, and switched off", runs: []tunnel.JobRun{run(failed)}, off: true, note: tunnel.JobFailed, jobs: map[string]int{"failed": 1}},
		{name: "failed, and its configuration disabled", runs: []tunnel.JobRun{run(failed)}, disabled: true, why: "it is disabled"},
		{name: "under way", runs: []tunnel.JobRun{run(ok)}, running: 50 * time.Minute, jobs: map[string]int{"ok": 1}},
		{name: "under way, and failed before", runs: []tunnel.JobRun{run(failed)}, running: 50 * time.Minute, problem: tunnel.JobFailed, jobs: map[string]int{"failed": 1}},
		{name: "overdue", runs: []tunnel.JobRun{run(ok)}, running: 2 * time.Hour, problem: tunnel.JobOverdue, jobs: map[string]int{"ok": 1}},
		{name: "overdue, and failed before", runs: []tunnel.JobRun{run(failed)}, running: 2 * time.Hour, problem: tunnel.JobOverdue, jobs: map[string]int{"failed": 1}},
		{name: "overdue the first time", running: 2 * time.Hour, problem: tunnel.JobOverdue, jobs: map[string]int{"not-run": 1}},
		{name: "overdue, and switched off", running: 2 * time.Hour, off: true, problem: tunnel.JobOverdue, jobs: map[string]int{"not-run": 1}},
		{name: "overdue, and its configuration disabled", running: 2 * time.Hour, disabled: true},
		{name: "nobody says", why: "it did not answer", note: tunnel.JobsUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := working(t)
			j := tunnel.JobStatus{Name: "sync", Schedule: "every 1h", Runs: tt.runs}
			if tt.running != 0 {
				j.Running = &tunnel.JobRun{Began: time.Now().Add(-tt.running), By: tunnel.BySchedule}
			}
			if tt.off {
				j.Schedule = "off"
			}
			d.AllJobs = []control.ConfigurationJobs{{Of: berlin, Jobs: []tunnel.JobStatus{j}, Why: tt.why}}
			if tt.disabled {
				must(c.EnableConfiguration(t.Context(), berlin, false))
			}
			s := must(c.Status(t.Context()))
			theOne(t, "problem", s.Problems, tt.problem)
			theOne(t, "note", s.Notes, tt.note)
			if s.OK != (tt.problem == "") || !maps.Equal(s.Jobs, tt.jobs) {
				t.Errorf("ok %t, jobs %v", s.OK, s.Jobs)
			}
		})
	}
}

// theOne fails the test unless there is one, about worker/berlin and for that reason; none where there is no reason.
func theOne(t *testing.T, what string, all []control.Problem, reason tunnel.Reason) {
	t.Helper()
	switch {
	case reason == "":
		if len(all) != 0 {
			t.Errorf("a %s: %+v", what, all)
		}
	case len(all) != 1 || all[0].Subject != "worker/berlin" || all[0].Reason == nil || *all[0].Reason != string(reason) || all[0].Remedy == "":
		t.Errorf("%ss: %+v", what, all)
	case reason == tunnel.JobsUnknown:
	case reason == tunnel.JobOverdue:
		if !strings.Contains(all[0].Message, "job sync runs on, over its limit of 1h0m0s since 20") || all[0].Remedy != "culvert module restart worker" {
			t.Errorf("%s: %+v", what, all[0])
		}
	case !strings.Contains(all[0].Message, "sync") || !strings.Contains(all[0].Message, "the DC refuses") || all[0].More != "culvert job show worker/berlin sync":
		t.Errorf("%s: %+v", what, all[0])
	}
}

// Modules that do not answer keep nobody from the rest.
func TestAStatusDoesNotWaitForModules(t *testing.T) {
	d, c := working(t)
	d.AllJobs = []control.ConfigurationJobs{{Of: berlin, Jobs: []tunnel.JobStatus{{Name: "sync"}}, Why: "it did not answer"}}
	d.OnJobs = func(ctx context.Context) { <-ctx.Done() }
	began := time.Now()
	s := must(c.Status(t.Context()))
	theOne(t, "note", s.Notes, tunnel.JobsUnknown)
	if took := time.Since(began); !s.OK || took > 3*time.Second {
		t.Errorf("ok %t after %s", s.OK, took)
	}
}
