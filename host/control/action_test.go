package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var berlin = tunnel.ConfigurationRef{Module: "worker", Name: "berlin"}

// working is a daemon with a module that has an action and a job.
func working(t *testing.T) (*controltest.Daemon, *control.Client) {
	t.Helper()
	d, c := start(t)
	type release struct {
		Number string        `json:"number" title:"Number" required:"true"`
		Count  int           `json:"count" default:"3" max:"9"`
		Token  tunnel.Secret `json:"token"`
	}
	schema, err := settings.Schema(reflect.TypeFor[release]())
	if err != nil {
		t.Fatal(err)
	}
	d.Module(t, tunnel.Description{Name: "worker", Version: "1",
		Actions: []tunnel.Action{{Name: "release", Title: "Release", Help: "it", Arguments: schema, DryRun: true, Seconds: 60}, {Name: "plain", Title: "Plain", Seconds: 5}},
		Jobs:    []tunnel.Job{{Name: "sync", Title: "Sync", DryRun: true, Seconds: 3600}}})
	must(c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "worker", Name: "berlin"}))
	return d, c
}

func TestActionsAreListedWithTheirArguments(t *testing.T) {
	_, c := working(t)
	all := must(c.Actions(t.Context()))
	if len(all) != 2 || all[0].Of() != "worker/berlin" || all[0].LimitSeconds != 60 || len(all[0].Arguments) != 3 || all[0].Arguments[2].Type != "secret" || all[1].Arguments == nil {
		t.Errorf("%+v", all)
	}
}

func TestAnActionIsFollowed(t *testing.T) {
	d, c := working(t)
	d.OnAct = func(_ context.Context, a control.Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
		report(tunnel.ActReport{Progress: &tunnel.Progress{Done: 1, Of: 2, Text: "users"}})
		report(tunnel.ActReport{Step: &tunnel.TestStep{Name: "bind", Outcome: tunnel.StepRunning}})
		report(tunnel.ActReport{Step: &tunnel.TestStep{Name: "bind", Outcome: tunnel.StepOK, Message: "fine", Took: 2 * time.Second}})
		return tunnel.Result{Outcome: "partial", Message: fmt.Sprint(a.DryRun, " ", a.Patience, " ", string(a.Arguments)), More: 3,
			Counts: []tunnel.Count{{Name: "created", N: 2}}, Columns: []string{"A"}, Rows: [][]string{{"a"}}}, nil
	}
	var live []string
	in := control.ActionInput{SettingsInput: set("number", "110"), DryRun: true, WaitSeconds: 20}
	in.Set = append(in.Set, control.Setting{Key: "token", Value: "open sesame"})
	out, err := c.RunAction(t.Context(), berlin, "release", in, control.Live{
		Step: func(s control.Step) { live = append(live, s.Name+" "+s.State) }, Progress: func(p control.Progress) { live = append(live, fmt.Sprint(p)) },
	})
	if err != nil || !slices.Equal(live, []string{"{1 2 users}", "bind running", "bind ok"}) {
		t.Errorf("%v; live %q", err, live)
	}
	if out.OK || out.Outcome != "partial" || out.Message != `true 20s {"number":"110","token":"open sesame"}` || out.More != 3 || out.Counts[0].N != 2 || out.Rows[0][0] != "a" ||
		len(out.Steps) != 1 || out.Steps[0].State != "ok" || out.Steps[0].MS != 2000 {
		t.Errorf("%+v", out)
	}
	if out := must(c.RunAction(t.Context(), berlin, "release", in, control.Live{})); out.Outcome != "partial" {
		t.Errorf("with nobody who looks: %+v", out)
	}
	if want := fmt.Sprintf(`by operator:%d`, uid()); !slices.ContainsFunc(d.Calls(), func(s string) bool {
		return strings.HasPrefix(s, "act worker/berlin release") && strings.HasSuffix(s, want)
	}) {
		t.Errorf("%q", d.Calls())
	}
}

func TestActionsThatAreRefused(t *testing.T) {
	d, c := working(t)
	d.OnAct = func(context.Context, control.Ask, func(tunnel.ActReport)) (tunnel.Result, error) {
		return tunnel.Result{}, tunnel.Findings{{Code: tunnel.Exists, Field: "configuration", Message: "it is under way", WayOut: "wait"}}
	}
	release := func(ref tunnel.ConfigurationRef, name string, in control.ActionInput) error {
		_, err := c.RunAction(t.Context(), ref, name, in, control.Live{})
		return err
	}
	job := func(ref tunnel.ConfigurationRef, name string, in control.JobInput) error {
		_, err := c.RunJob(t.Context(), ref, name, in, control.Live{})
		return err
	}
	absent := tunnel.ConfigurationRef{Module: "worker", Name: "absent"}
	for name, tt := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"under way":               {release(berlin, "plain", control.ActionInput{}), 409, "it is under way"},
		"no such action":          {release(berlin, "absent", control.ActionInput{}), 404, "no action absent"},
		"no such configuration":   {release(absent, "plain", control.ActionInput{}), 404, "worker/absent"},
		"an unknown argument":     {release(berlin, "release", control.ActionInput{SettingsInput: set("colour", "blue")}), 400, "colour"},
		"no argument at all":      {release(berlin, "plain", control.ActionInput{SettingsInput: set("colour", "blue")}), 400, "colour"},
		"a wrong argument":        {release(berlin, "release", control.ActionInput{SettingsInput: set("count", "many")}), 400, "count"},
		"too long a wait":         {release(berlin, "plain", control.ActionInput{WaitSeconds: 601}), 400, "waited"},
		"less than none":          {job(berlin, "sync", control.JobInput{WaitSeconds: -1}), 400, "waited"},
		"no such job":             {job(berlin, "absent", control.JobInput{}), 404, "no job absent"},
		"a job of another":        {job(absent, "sync", control.JobInput{}), 404, "worker/absent"},
		"a job that is under way": {job(berlin, "sync", control.JobInput{}), 409, "it is under way"},
	} {
		var e *control.Error
		if !errors.As(tt.err, &e) || e.Status != tt.status || !strings.Contains(fmt.Sprint(e.Message, e.Findings), tt.says) {
			t.Errorf("%s: %+v", name, tt.err)
		}
	}
}

// An action that nobody follows any more ends.
func TestAnActionEndsWithItsReader(t *testing.T) {
	d, c := working(t)
	ended := make(chan error, 1)
	d.OnAct = func(ctx context.Context, _ control.Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
		report(tunnel.ActReport{Progress: &tunnel.Progress{Done: 1}})
		<-ctx.Done()
		ended <- ctx.Err()
		return tunnel.Result{}, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.RunAction(ctx, berlin, "plain", control.ActionInput{}, control.Live{Progress: func(control.Progress) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("its reader gets %v", err)
	}
	<-ended
}

func TestJobsAreListed(t *testing.T) {
	d, c := working(t)
	d.AllJobs = jobs
	all := must(c.Jobs(t.Context()))
	if len(all) != 2 || all[0].Of() != "worker/berlin" || all[0].Title != "Sync" || !all[0].DryRun || all[0].LimitSeconds != 3600 || all[0].Running.By != "operator:0" ||
		all[0].Progress.Done != 1 || all[0].Last.Outcome != "ok" || all[0].Last != nil && all[0].Last.Counts[0].N != 3 || len(all[0].Runs) != 2 || all[0].Skipped != 4 || *all[0].Next != noon {
		t.Errorf("%+v", all)
	}
	if all[1].Last != nil || all[1].Running != nil || all[1].Next != nil || all[1].Runs == nil || all[1].Message != "it is disabled" {
		t.Errorf("%+v", all[1])
	}
	var asked control.Ask
	d.OnAct = func(_ context.Context, a control.Ask, _ func(tunnel.ActReport)) (tunnel.Result, error) {
		asked = a
		return tunnel.Result{Outcome: "ok"}, nil
	}
	out, err := c.RunJob(t.Context(), berlin, "sync", control.JobInput{DryRun: true, Detached: true, WaitSeconds: 5}, control.Live{})
	if err != nil || !out.OK || asked.Job != "sync" || asked.Action != "" || !asked.DryRun || !asked.Detached || asked.Patience != 5*time.Second {
		t.Errorf("%v, %+v, %+v", err, out, asked)
	}
}

var (
	noon = time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	jobs = []control.ConfigurationJobs{
		{Of: berlin, Jobs: []tunnel.JobStatus{{
			Name: "sync", Schedule: "every 1h", Next: noon, Running: &tunnel.JobRun{Began: noon, By: "operator:0"}, Progress: tunnel.Progress{Done: 1, Of: 2}, Skipped: 4, LastSuccess: noon,
			Runs: []tunnel.JobRun{
				{Began: noon, Ended: noon, By: "schedule", Result: tunnel.Result{Outcome: "ok", Counts: []tunnel.Count{{Name: "users", N: 3}}}},
				{Began: noon, Ended: noon, By: "schedule", Result: tunnel.Result{Outcome: "failed"}},
			},
		}}},
		{Of: tunnel.ConfigurationRef{Module: "worker", Name: "rome"}, Jobs: []tunnel.JobStatus{{Name: "sync"}}, Why: "it is disabled"},
	}
)

func TestNamesOfWorkAreTheContract(t *testing.T) {
	d, c := working(t)
	d.AllJobs = jobs
	all := must(c.Jobs(t.Context()))
	for what, tt := range map[string]struct {
		names string
		live  any
	}{
		"action":   {`module configuration name title help dry_run limit_seconds arguments`, must(c.Actions(t.Context()))},
		"argument": {`key type title help required`, must(c.Actions(t.Context()))[0].Arguments},
		"result":   {`ok outcome message remedy counts columns rows more steps`, must(c.RunAction(t.Context(), berlin, "plain", control.ActionInput{}, control.Live{}))},
		"count":    {`name n`, all[0].Last.Counts},
		"job": {`module configuration name title dry_run limit_seconds schedule next running overdue_since progress last last_success skipped runs message`,
			all},
		"run of a job": {`began ended by dry_run outcome message remedy counts`, append(all[0].Runs, *all[0].Running)},
		"progress":     {`done of text`, all[0].Progress},
	} {
		for _, o := range objects(t, tt.live) {
			for _, name := range strings.Fields(tt.names) {
				if _, ok := o[name]; !ok {
					t.Errorf("%s has no %q: %v", what, name, o)
				}
			}
		}
	}
	empty := must(c.RunAction(t.Context(), berlin, "plain", control.ActionInput{}, control.Live{}))
	if b := must(json.Marshal(empty)); strings.Contains(string(b), "null") {
		t.Errorf("what is not there is null: %s", b)
	}
}
