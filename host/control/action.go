package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Workers are the modules as they do what an operator asks for.
type Workers interface {
	// Act has a module do it beside the run of that configuration, and hands over steps and progress as they come. Its error
	// is why there was nothing to do. When ctx ends, an action does; a run of a job goes on.
	Act(ctx context.Context, a Ask, report func(tunnel.ActReport)) (tunnel.Result, error)
	// Jobs is how the jobs of every configuration are whose module has some, by name.
	Jobs(ctx context.Context) ([]ConfigurationJobs, error)
}

// Ask is what an operator asks a module for: an action or, where Job is set, a run of a job.
type Ask struct {
	Of          tunnel.ConfigurationRef
	Action, Job string
	Arguments   json.RawMessage
	DryRun      bool
	By          string        // operator:UID
	Patience    time.Duration // how long to wait for the configuration to run
	Detached    bool          // of a job: its beginning is all
}

// ConfigurationJobs are the jobs of one configuration.
type ConfigurationJobs struct {
	Of   tunnel.ConfigurationRef
	Jobs []tunnel.JobStatus
	Why  string // why it is not known how they are, "" where it is
}

// Action is something that a module does for a configuration when an operator asks for it.
type Action struct {
	Module        string           `json:"module"`
	Configuration string           `json:"configuration"`
	Name          string           `json:"name"`
	Title         string           `json:"title"`
	Help          string           `json:"help"`
	DryRun        bool             `json:"dry_run"`       // whether it has one
	LimitSeconds  int              `json:"limit_seconds"` // how long it may take
	Arguments     []settings.Field `json:"arguments"`
}

// Of is the configuration, MODULE/NAME.
func (a Action) Of() string { return a.Module + "/" + a.Configuration }

func actionsOf(ref tunnel.ConfigurationRef, d tunnel.Description) (out []Action) {
	for _, a := range d.Actions {
		fields := settings.Fields(a.Arguments)
		if fields == nil {
			fields = []settings.Field{}
		}
		out = append(out, Action{
			Module: string(ref.Module), Configuration: ref.Name, Name: a.Name, Title: a.Title, Help: a.Help, DryRun: a.DryRun,
			LimitSeconds: a.Seconds, Arguments: fields,
		})
	}
	return out
}

// ActionInput asks for an action. Its arguments are as settings are given.
type ActionInput struct {
	SettingsInput
	DryRun      bool `json:"dry_run,omitempty"`
	WaitSeconds int  `json:"wait_seconds,omitempty"` // for the configuration to run; 0: not at all
}

// JobInput asks for a run of a job.
type JobInput struct {
	DryRun      bool `json:"dry_run,omitempty"`
	WaitSeconds int  `json:"wait_seconds,omitempty"` // as in ActionInput
	Detached    bool `json:"detached,omitempty"`     // the answer comes as soon as the run has begun
}

// maxWait is how long a request may wait for a configuration to run.
const maxWait = 10 * time.Minute

func checkWait(seconds int) tunnel.Findings {
	if seconds >= 0 && time.Duration(seconds)*time.Second <= maxWait {
		return nil
	}
	return tunnel.Findings{{Code: tunnel.OutOfRange, Field: "wait_seconds", Message: "it cannot be waited that long", WayOut: "give 0 to 600"}}
}

// Progress is how far something is. Of is 0 while nobody knows.
type Progress struct {
	Done int64  `json:"done"`
	Of   int64  `json:"of"`
	Text string `json:"text"`
}

func progressOf(p tunnel.Progress) Progress { return Progress(p) }

// Result is what came of an action or job.
type Result struct {
	OK      bool       `json:"ok"`      // the outcome is ok
	Outcome string     `json:"outcome"` // ok, partial or failed
	Message string     `json:"message"`
	Remedy  string     `json:"remedy"`
	Counts  []Count    `json:"counts"`
	Columns []string   `json:"columns"` // of a table
	Rows    [][]string `json:"rows"`
	More    int        `json:"more"` // rows that were left out
	Steps   []Step     `json:"steps"`
}

// Count is how often something was so.
type Count = tunnel.Count

func workResult(r tunnel.Result) Result {
	out := Result{
		OK: r.Outcome == tunnel.ResultOK, Outcome: r.Outcome, Message: r.Message, Remedy: r.Remedy, Counts: r.Counts,
		Columns: r.Columns, Rows: r.Rows, More: r.More, Steps: []Step{},
	}
	if out.Counts == nil {
		out.Counts = []Count{}
	}
	if out.Columns == nil {
		out.Columns = []string{}
	}
	if out.Rows == nil {
		out.Rows = [][]string{}
	}
	return out
}

// Job is how one job of a configuration is.
type Job struct {
	Module        string     `json:"module"`
	Configuration string     `json:"configuration"`
	Name          string     `json:"name"`
	Title         string     `json:"title"`
	DryRun        bool       `json:"dry_run"`
	LimitSeconds  int        `json:"limit_seconds"`
	Schedule      string     `json:"schedule"` // "" where it is not known
	Next          *time.Time `json:"next"`
	Running       *JobRun    `json:"running"`       // null where none is under way
	OverdueSince  *time.Time `json:"overdue_since"` // when the limit of that was over; null where it is within it, or has had no time to end
	Progress      Progress   `json:"progress"`
	Last          *JobRun    `json:"last"` // that ended; null where none did
	LastSuccess   *time.Time `json:"last_success"`
	Skipped       uint64     `json:"skipped"` // how often it was due while it ran
	Runs          []JobRun   `json:"runs"`    // that ended, the latest first
	Message       string     `json:"message"` // why it is not known how it is
}

// Of is the configuration, MODULE/NAME.
func (j Job) Of() string { return j.Module + "/" + j.Configuration }

// JobRun is one run of a job.
type JobRun struct {
	Began   *time.Time `json:"began"`
	Ended   *time.Time `json:"ended"`
	By      string     `json:"by"` // schedule, module or operator:UID
	DryRun  bool       `json:"dry_run"`
	Outcome string     `json:"outcome"` // "" while it is under way
	Message string     `json:"message"`
	Remedy  string     `json:"remedy"`
	Counts  []Count    `json:"counts"`
}

func jobOf(c ConfigurationJobs, s tunnel.JobStatus, d tunnel.Job) Job {
	out := Job{
		Module: string(c.Of.Module), Configuration: c.Of.Name, Name: s.Name, Title: d.Title, DryRun: d.DryRun, LimitSeconds: d.Seconds,
		Schedule: s.Schedule, Next: timeOf(s.Next), Progress: progressOf(s.Progress), LastSuccess: timeOf(s.LastSuccess), Skipped: s.Skipped,
		Runs: []JobRun{}, Message: c.Why, OverdueSince: timeOf(overdueSince(s, d, time.Now())),
	}
	if s.Running != nil {
		r := jobRunOf(*s.Running)
		out.Running = &r
	}
	for _, r := range s.Runs {
		out.Runs = append(out.Runs, jobRunOf(r))
	}
	if len(out.Runs) > 0 {
		out.Last = &out.Runs[0]
	}
	return out
}

func jobRunOf(r tunnel.JobRun) JobRun {
	out := JobRun{
		Began: timeOf(r.Began), Ended: timeOf(r.Ended), By: r.By, DryRun: r.DryRun, Outcome: r.Result.Outcome, Message: r.Result.Message,
		Remedy: r.Result.Remedy, Counts: r.Result.Counts,
	}
	if out.Counts == nil {
		out.Counts = []Count{}
	}
	return out
}
