package tunnel

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// CapabilityJobs is what a module with jobs says in its Description, which lists them.
const CapabilityJobs = "jobs"

// Bounds of jobs.
const (
	MaxJobs     = 10
	JobLimit    = time.Hour
	MaxJobLimit = 24 * time.Hour
	MaxJobRuns  = 20 // of one job that are kept
)

// BySchedule is who asked for a run of a job that was due.
const BySchedule = "schedule"

// Job is something that a module does by a schedule, which the settings of each configuration hold.
type Job struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Help    string `json:"help,omitempty"`
	DryRun  bool   `json:"dry_run"` // as of an Action
	Seconds int    `json:"seconds"`
}

// Limit is how long one run may take.
func (j Job) Limit() time.Duration { return time.Duration(j.Seconds) * time.Second }

// Job is the module's job of that name.
func (d Description) Job(name string) (Job, bool) {
	i := slices.IndexFunc(d.Jobs, func(j Job) bool { return j.Name == name })
	if i < 0 {
		return Job{}, false
	}
	return d.Jobs[i], true
}

// JobStatus is how one job of a configuration is. Times that do not apply are zero.
type JobStatus struct {
	Name        string
	Schedule    string // "every 1h", "daily 03:30" or "off"
	Next        time.Time
	Running     *JobRun // the one under way
	Progress    Progress
	Runs        []JobRun // those that ended, the latest first
	LastSuccess time.Time
	Skipped     uint64 // how often it was due while it ran
}

// JobRun is one run of a job.
type JobRun struct {
	Began, Ended time.Time
	By           string // BySchedule, or who asked, "operator:0"
	DryRun       bool
	Result       Result // without its table; the zero Result while it is under way
}

// Shown is s within the bounds and fit to show.
func (s JobStatus) Shown() JobStatus {
	s.Name, s.Schedule, s.Progress = Clean(s.Name, MaxName), Clean(s.Schedule, MaxTestStep), s.Progress.Shown()
	if s.Running != nil {
		r := s.Running.shown()
		s.Running = &r
	}
	runs := s.Runs[:min(len(s.Runs), MaxJobRuns)]
	s.Runs = make([]JobRun, len(runs))
	for i, r := range runs {
		s.Runs[i] = r.shown()
	}
	return s
}

func (r JobRun) shown() JobRun {
	r.By = Clean(r.By, MaxTestStep)
	if r.Result.Outcome != "" {
		r.Result = r.Result.Summary().Shown()
	}
	return r
}

func (d Description) checkJobs() (fs Findings) {
	if n := len(d.Jobs); n > MaxJobs {
		return one(TooMany, "jobs", strconv.Itoa(n), fmt.Sprintf("the module has %d jobs", n), atMost(MaxJobs))
	}
	var names []string
	for _, j := range d.Jobs {
		jfs := checkWork(work{j.Name, j.Title, j.Help, j.Seconds}, "jobs", names, MaxJobLimit)
		names = append(names, j.Name)
		fs = append(fs, jfs.In("jobs["+Clean(j.Name, MaxName)+"]")...)
	}
	return fs
}
