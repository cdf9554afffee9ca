package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// actions are those of the test plugin worker; most of them keep to no rule.
var actions = []string{"well", "endless", "deaf", "giant", "huge", "twice", "lies", "crash", "refuse", "hold", "pid"}

func describeWorker(d *tunnel.Description) {
	d.Capabilities = append(d.Capabilities, tunnel.CapabilityActions, tunnel.CapabilityJobs, tunnel.CapabilityMetrics)
	type arguments struct {
		Name  string        `json:"name" required:"true"`
		Token tunnel.Secret `json:"token"`
	}
	schema, _ := settings.Schema(reflect.TypeFor[arguments]())
	d.Actions = []tunnel.Action{{Name: "named", Title: "Named", Arguments: schema, DryRun: true, Seconds: 10}}
	for _, name := range actions {
		d.Actions = append(d.Actions, tunnel.Action{Name: name, Title: name, Seconds: 2})
	}
	d.Jobs = []tunnel.Job{{Name: "sync", Title: "Sync", Seconds: 10}, {Name: "slow", Title: "Slow", Seconds: 10}}
}

func (testPlugin) Act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
	ok := tunnel.Result{Outcome: tunnel.ResultOK, Message: string(a.Arguments)}
	step := func(name string, o tunnel.Outcome) {
		report(tunnel.ActReport{Step: &tunnel.TestStep{Name: name, Outcome: o}})
	}
	if a.Job != "" {
		report(tunnel.ActReport{Progress: &tunnel.Progress{}})
		<-ctx.Done() // it goes on elsewhere
		return ok, ctx.Err()
	}
	switch a.Action {
	case "well":
		step("bind", tunnel.StepRunning)
		step("bind", tunnel.StepOK)
		for i := range int64(100) {
			report(tunnel.ActReport{Progress: &tunnel.Progress{Done: i, Of: 100, Text: "users"}})
			time.Sleep(5 * time.Millisecond)
		}
	case "pid":
		ok.Message = fmt.Sprint(os.Getpid())
	case "endless":
		for {
			report(tunnel.ActReport{Progress: &tunnel.Progress{Done: math.MinInt64, Text: strings.Repeat("\x1b[2J", 1000)}})
		}
	case "deaf":
		forever()
	case "giant":
		ok.Columns, ok.Rows = []string{"A"}, slices.Repeat([][]string{{"x"}}, 100_000)
	case "huge":
		ok.Columns = []string{strings.Repeat("x", 8<<20)}
	case "twice":
		step("bind", tunnel.StepOK)
		step("bind", tunnel.StepFailed)
		forever()
	case "lies":
		return tunnel.Result{Outcome: "splendid", Message: "red \x1b[31m\n", More: -7, Columns: []string{"A\x1b"}, Rows: [][]string{{"a", "b", "c"}, {}}}, nil
	case "crash":
		step("bind", tunnel.StepRunning)
		time.Sleep(200 * time.Millisecond) // what was said leaves first
		os.Exit(3)
	case "refuse":
		return ok, tunnel.Findings{{Code: tunnel.Exists, Field: "job", Message: "under way \x1b", WayOut: "wait"}}
	case "hold":
		report(tunnel.ActReport{Progress: &tunnel.Progress{}})
		<-ctx.Done()
		os.WriteFile(filepath.Join(os.Getenv("HOME"), "let-go"), nil, 0o600)
		return ok, ctx.Err()
	}
	return ok, nil
}

func (testPlugin) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	if configuration == "deaf" {
		forever()
	}
	return []tunnel.JobStatus{
		{Name: "foreign", Schedule: "off"},
		{Name: "sync", Schedule: "every 1h \x1b[2J", Runs: make([]tunnel.JobRun, 500), Skipped: 3},
	}, nil
}

// asked is how often it was asked what it measures.
var asked atomic.Int64

func (testPlugin) Metrics() []tunnel.MetricValues {
	m := tunnel.MetricValues{Metric: tunnel.Metric{Name: "asked_total", Help: "How often.", Kind: tunnel.Counter}}
	m.Series = []tunnel.Series{{Configuration: "default", Value: float64(asked.Add(1))}}
	home := filepath.Base(os.Getenv("HOME"))
	if _, err := os.Stat(filepath.Join(os.Getenv("HOME"), "lie")); err == nil {
		m.Name = "culvert{" + home
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("HOME"), "deaf")); err == nil {
		forever()
	}
	return []tunnel.MetricValues{m}
}

// working is a host with the module worker, whose configuration default runs.
func working(t *testing.T) (*rig, tunnel.ConfigurationRef) {
	t.Helper()
	r := newRig(t)
	r.install("worker", "")
	c := r.configure("worker/default", "run")
	r.run()
	r.note(c, "started")
	return r, c
}

// ask asks for an action and returns what was reported, and what came of it as "outcome message".
func (r *rig) ask(ctx context.Context, ask Ask) (reports []string, result string, err error) {
	ask.By = "operator:7"
	var mu sync.Mutex
	got, err := r.Act(ctx, ask, func(a tunnel.ActReport) {
		mu.Lock()
		defer mu.Unlock()
		if a.Step != nil {
			reports = append(reports, step(*a.Step))
		} else {
			reports = append(reports, fmt.Sprintf("%d/%d %s", a.Progress.Done, a.Progress.Of, a.Progress.Text))
		}
	})
	return reports, strings.TrimSpace(got.Outcome + " " + got.Message), err
}

func TestAnActionIsDoneBesideTheRun(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	got, result, err := r.ask(t.Context(), Ask{Of: c, Action: "well"})
	if err != nil || result != "ok" || got[0] != "bind running" || got[1] != "bind ok" {
		t.Errorf("%v, %q; reported are %q", err, result, got)
	}
	if n := len(got) - 2; n < 2 || n > 40 {
		t.Errorf("of 100 reports of progress %d are handed on", n)
	}
	if _, pid, err := r.ask(t.Context(), Ask{Of: c, Action: "pid"}); err != nil || pid != "ok "+r.note(c, "started") {
		t.Errorf("it is done elsewhere: %s, %v", pid, err)
	}
}

// Whatever a module does, it costs the host a bounded time and what it says is bounded, and the run goes on.
func TestActionsThatKeepToNoRule(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	pid := r.note(c, "started")
	for action, want := range map[string]string{
		"endless": "failed the module breaks the rules: it reported more than 1100 times",
		"deaf":    "failed it had not come to its end when its time was over, 2s",
		"giant":   "failed the module breaks the rules: result.rows: 100000 elements are more",
		"huge":    "failed the module breaks the rules: a message between host and module holds at most 4 MiB",
		"twice":   `failed the module breaks the rules: step "bind" is decided already`,
		"lies":    `failed red \x1b[31m\n`,
	} {
		began := time.Now()
		reports, result, err := r.ask(t.Context(), Ask{Of: c, Action: action})
		if err != nil || !strings.HasPrefix(result, want) {
			t.Errorf("%s: %q, %v", action, result, err)
		}
		if all := strings.Join(reports, ""); len(all) > 20_000 || strings.ContainsRune(all, 0x1b) || strings.Contains(all, "-9") {
			t.Errorf("%s: %d bytes are handed on: %.300q", action, len(all), all)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %v", action, took)
		}
	}
	if r.note(c, "started") != pid {
		t.Error("the run was disturbed")
	}
	_, result, err := r.ask(t.Context(), Ask{Of: c, Action: "crash"})
	if err != nil || result != "failed the module's process ended meanwhile: it ended: exit status 3" {
		t.Errorf("%q, %v", result, err)
	}
	r.eventually("another process runs it", func() bool { return r.note(c, "started") != pid }, func() string { return r.logOf("worker") })
}

func TestWhatIsNotAskedOfAModule(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	r.install("hello", "")
	other := r.configure("hello/default", "run")
	off := r.configure("worker/off", "run")
	r.disable(off)
	r.note(other, "started")
	named := func(doc string) Ask { return Ask{Of: c, Action: "named", Arguments: json.RawMessage(doc)} }
	for name, tt := range map[string]struct {
		ask   Ask
		want  error
		field string
		says  string
	}{
		"an action there is not":     {Ask{Of: c, Action: "absent"}, tunnel.ErrNotFound, "action", "module worker has no action absent"},
		"a job there is not":         {Ask{Of: c, Job: "absent"}, tunnel.ErrNotFound, "job", "no job absent"},
		"a module without any":       {Ask{Of: other, Action: "well"}, tunnel.ErrNotFound, "action", "module hello has no action"},
		"a module there is not":      {Ask{Of: tunnel.ConfigurationRef{Module: "absent", Name: "x"}, Action: "well"}, tunnel.ErrNotFound, "module", "absent"},
		"no such configuration":      {Ask{Of: tunnel.ConfigurationRef{Module: "worker", Name: "x"}, Action: "well"}, tunnel.ErrNotFound, "configuration", "worker/x"},
		"one that is disabled":       {Ask{Of: off, Action: "well"}, tunnel.ErrPolicyRefused, "configuration", "worker/off does not run, it is disabled"},
		"a dry run that is none":     {Ask{Of: c, Action: "well", DryRun: true}, tunnel.ErrInvalid, "dry_run", "has no dry run"},
		"arguments that it has not":  {Ask{Of: c, Action: "well", Arguments: json.RawMessage(`{"a":1}`)}, tunnel.ErrInvalid, "arguments.a", "a"},
		"arguments that are wrong":   {named(`{"name":5}`), tunnel.ErrInvalid, "arguments.name", "name"},
		"arguments that are missing": {named(``), tunnel.ErrInvalid, "arguments.name", "missing"},
		"arguments without an end":   {named(`{"name":"` + strings.Repeat("x", 20<<10) + `"}`), tunnel.ErrInvalid, "arguments", "bytes"},
		"what its module refuses":    {Ask{Of: c, Action: "refuse"}, tunnel.ErrExists, "job", `under way \x1b`},
	} {
		_, _, err := r.ask(t.Context(), tt.ask)
		var fs tunnel.Findings
		if !errors.Is(err, tt.want) || !errors.As(err, &fs) || fs[0].Field != tt.field || !strings.Contains(fs[0].Message, tt.says) || fs[0].WayOut == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An action ends with who asked for it; there is one of a name at a time, and not too many of a module.
func TestAnActionEndsWithItsOperator(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan bool, 10), make(chan error, 10)
	hold := func(of tunnel.ConfigurationRef) {
		_, err := r.Act(ctx, Ask{Of: of, Action: "hold", By: "operator:7"}, func(tunnel.ActReport) { begun <- true })
		ended <- err
	}
	go hold(c)
	<-begun
	if _, _, err := r.ask(t.Context(), Ask{Of: c, Action: "hold"}); !errors.Is(err, tunnel.ErrExists) {
		t.Errorf("another beside it is %v", err)
	}
	for i := range maxActs - 1 {
		more := r.configure(fmt.Sprintf("worker/c%d", i), "run")
		r.note(more, "started")
		go hold(more)
		<-begun
	}
	if _, _, err := r.ask(t.Context(), Ask{Of: c, Action: "well"}); !errors.Is(err, tunnel.ErrExists) {
		t.Errorf("one more than there may be is %v", err)
	}
	cancel()
	for range maxActs {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}
	r.eventually("the module is told", func() bool {
		_, err := os.Stat(filepath.Join(r.stateDir("worker"), "let-go"))
		return err == nil
	}, func() string { return r.logOf("worker") })
	if _, result, err := r.ask(t.Context(), Ask{Of: c, Action: "well"}); err != nil || result != "ok" {
		t.Errorf("after them: %q, %v", result, err)
	}
	if got := r.told(func(e tunnel.Event) bool { return e.Type == tunnel.ActionEnded && e.Fields["outcome"] == "canceled" }); len(got) != maxActs {
		t.Errorf("the journal has %d that were given up", len(got))
	}
}

func TestAnActionMayWaitForItsConfiguration(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	r.disable(c)
	r.is("worker", Stopped, "")
	done := make(chan error, 1)
	go func() {
		_, _, err := r.ask(t.Context(), Ask{Of: c, Action: "well", Patience: time.Minute})
		done <- err
	}()
	r.catalog.change(c, func(run *tunnel.Run) { run.Enabled = true }, nil)
	if err := <-done; err != nil {
		t.Errorf("%v", err)
	}
	r.disable(c)
	r.is("worker", Stopped, "")
	if _, _, err := r.ask(t.Context(), Ask{Of: c, Action: "well", Patience: 50 * time.Millisecond}); !errors.Is(err, tunnel.ErrPolicyRefused) {
		t.Errorf("%v", err)
	}
}

// The journal says who asked for what, secrets left out, and how that ended.
func TestTheJournalSaysWhoAsked(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	doc := `{"name":"anna","token":"open sesame"}`
	if _, result, err := r.ask(t.Context(), Ask{Of: c, Action: "named", Arguments: json.RawMessage(doc), DryRun: true}); err != nil || result != "ok "+doc {
		t.Fatalf("%q, %v", result, err)
	}
	got := r.told(func(e tunnel.Event) bool { return e.Type == tunnel.ActionStarted || e.Type == tunnel.ActionEnded })
	if len(got) != 2 || got[0].Actor != "operator:7" || got[0].Subject != "worker/default" || got[1].Subject != "worker/default" {
		t.Fatalf("%+v", got)
	}
	if f := got[0].Fields; f["action"] != "named" || f["dry_run"] != "true" || f["arguments"] != `{"name":"anna","token":"***"}` {
		t.Errorf("%+v", f)
	}
	if f := got[1].Fields; f["action"] != "named" || f["outcome"] != "ok" || f["ms"] == "" {
		t.Errorf("%+v", f)
	}
}

func TestJobsOfAllConfigurations(t *testing.T) {
	t.Parallel()
	r, c := working(t)
	r.install("hello", "")
	r.configure("hello/default", "run")
	off := r.configure("worker/off", "run")
	r.disable(off)
	deaf := r.configure("worker/deaf", "run")
	r.note(deaf, "started")
	r.eventually("all is told", func() bool { return len(r.Jobs(t.Context())) == 3 }, func() string { return "" })
	began := time.Now()
	got := r.Jobs(t.Context())
	if took := time.Since(began); took > 3*jobsPatience {
		t.Errorf("it took %v", took)
	}
	for i, want := range []struct{ of, why string }{{"worker/deaf", "deadline"}, {"worker/default", ""}, {"worker/off", "it is disabled"}} {
		j := got[i]
		if j.Of.String() != want.of || !strings.Contains(j.Why, want.why) || (j.Why == "") != (want.why == "") || len(j.Jobs) != 2 || j.Jobs[0].Name != "sync" || j.Jobs[1].Name != "slow" {
			t.Errorf("%+v", j)
		}
	}
	if s := got[1].Jobs[0]; s.Schedule != `every 1h \x1b[2J` || len(s.Runs) != tunnel.MaxJobRuns || s.Skipped != 3 {
		t.Errorf("%+v", s)
	}
	if _, result, err := r.ask(t.Context(), Ask{Of: c, Job: "sync", Detached: true}); err != nil || result != "ok it has begun" {
		t.Errorf("%q, %v", result, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := r.ask(ctx, Ask{Of: c, Job: "sync"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a run that nobody waits for any more: %v", err)
	}
}

func TestMetricsOfAllModules(t *testing.T) {
	t.Parallel()
	r, _ := working(t)
	r.install("hello", "")
	r.configure("hello/default", "run")
	home := r.stateDir("worker")
	var wg sync.WaitGroup
	for range 50 { // of them few ask the module
		wg.Go(func() { _, _ = r.Metrics(t.Context()) })
	}
	wg.Wait()
	got, err := r.Metrics(t.Context())
	if err != nil || len(got) != 1 || got[0].Module != "worker" || !got[0].OK || got[0].Metrics[0].Name != "asked_total" || got[0].Metrics[0].Series[0].Value > 10 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, how := range []string{"lie", "deaf"} {
		if err := os.WriteFile(filepath.Join(home, how), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.eventually("it is listed without its metrics: "+how, func() bool {
			got, err := r.Metrics(t.Context())
			return err == nil && len(got) == 1 && !got[0].OK && got[0].Metrics == nil
		}, func() string { return r.logOf("worker") })
		if err := os.Remove(filepath.Join(home, how)); err != nil {
			t.Fatal(err)
		}
	}
	if log := r.logOf("worker"); !strings.Contains(log, "what it measures is left out: a metric is called") {
		t.Errorf("its log does not say why: %s", log)
	}
}
