package main

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// worker installs and configures a module with an action and a job.
func worker(b testbed) {
	b.t.Helper()
	type release struct {
		Number string `json:"number" title:"Number" required:"true"`
	}
	schema, err := settings.Schema(reflect.TypeFor[release]())
	if err != nil {
		b.t.Fatal(err)
	}
	d := tunnel.Description{Name: "worker", Version: "1",
		Actions: []tunnel.Action{{Name: "release", Title: "Release", Arguments: schema, DryRun: true, Seconds: 60}},
		Jobs:    []tunnel.Job{{Name: "sync", Title: "Sync", DryRun: true, Seconds: 60}}}
	b.Module(b.t, d)
	b.must("config", "add", "worker/default")
	b.AllJobs = []control.ConfigurationJobs{{Of: tunnel.ConfigurationRef{Module: "worker", Name: "default"}, Jobs: []tunnel.JobStatus{{Name: "sync", Schedule: "every 1h"}}}}
}

// does has the module do that.
func (b testbed) does(result tunnel.Result, reports ...tunnel.ActReport) {
	b.OnAct = func(_ context.Context, _ control.Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
		for _, r := range reports {
			report(r)
		}
		return result, nil
	}
}

// Texts of a module never reach the terminal as they are, whatever they are of.
func TestWhatComesOfAnActionIsEscaped(t *testing.T) {
	b := newTestbed(t)
	worker(b)
	evil := "\x1b]0;x\x07\u202e"
	b.does(tunnel.Result{Outcome: "failed", Message: evil, Remedy: evil, Counts: []tunnel.Count{{Name: evil, N: 1}}, Columns: []string{evil}, Rows: [][]string{{evil}}},
		tunnel.ActReport{Progress: &tunnel.Progress{Done: 1, Text: evil}}, tunnel.ActReport{Step: &tunnel.TestStep{Name: evil, Outcome: tunnel.StepFailed, Message: evil, Remedy: evil}})
	for _, format := range []string{"table", "json"} {
		for _, line := range []string{"action run worker/default release number=1", "job run worker/default sync --wait", "job run worker/default sync"} {
			r := b.run("", append(strings.Fields(line), "-o", format)...)
			if strings.ContainsAny(r.out+r.err, "\x1b\x07\u202e") {
				t.Errorf("%s -o %s: %q %q", line, format, r.out, r.err)
			}
		}
	}
}

func TestExitCodesOfActions(t *testing.T) {
	b := newTestbed(t)
	worker(b)
	for outcome, code := range map[string]int{"ok": 0, "partial": exitNotUp, "failed": exitFailed, "splendid": exitFailed} {
		b.does(tunnel.Result{Outcome: outcome, Message: "that is how it went", Remedy: "do this"})
		for _, line := range []string{"action run worker/default release number=1", "job run worker/default sync --wait"} {
			r := b.run("", strings.Fields(line)...)
			if r.code != code || code != 0 && (!strings.Contains(r.err, "that is how it went") || !strings.Contains(r.err, "culvert: hint: do this")) {
				t.Errorf("%s: %s: exit %d: %s", outcome, line, r.code, r.err)
			}
			var out control.Result
			r = b.run("", append(strings.Fields(line), "-o", "json")...)
			if err := json.Unmarshal([]byte(r.out), &out); err != nil || out.Outcome != outcome || r.code != code {
				t.Errorf("%s: %s as JSON: exit %d, %v: %s", outcome, line, r.code, err, r.out)
			}
		}
	}
}

// Progress stands beside the output, and where it stays not more often than every few seconds.
func TestProgressIsBesideTheOutput(t *testing.T) {
	b := newTestbed(t)
	worker(b)
	var many []tunnel.ActReport
	for i := range int64(50) {
		many = append(many, tunnel.ActReport{Progress: &tunnel.Progress{Done: i + 1, Of: 50, Text: "users"}})
	}
	b.does(tunnel.Result{Outcome: "ok"}, many...)
	r := b.run("", "action", "run", "worker/default", "release", "number=1")
	if r.code != 0 || r.err != "1 of 50  users\n" || r.out != "action release went well\n" {
		t.Errorf("exit %d: %q, %q", r.code, r.out, r.err)
	}
	if r := b.run("", "action", "run", "worker/default", "release", "number=1", "-o", "json"); r.err != "" {
		t.Errorf("beside JSON: %q", r.err)
	}
}

// An interrupted job goes on, and the command says where to look; an interrupted action ends.
func TestInterruptedWork(t *testing.T) {
	b := newTestbed(t)
	worker(b)
	for _, line := range []string{"action run worker/default release number=1", "job run worker/default sync --wait"} {
		ended := make(chan bool)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		b.OnAct = func(asked context.Context, _ control.Ask, _ func(tunnel.ActReport)) (tunnel.Result, error) {
			cancel()
			<-asked.Done()
			close(ended)
			return tunnel.Result{}, asked.Err()
		}
		r := runAt(ctx, b.Socket, "", strings.Fields(line)...)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%s: the daemon does not hear of it", line)
		}
		if r.code != exitFailed || strings.Contains(r.err, "the run goes on: culvert job show worker/default sync") != strings.HasPrefix(line, "job") {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
}
