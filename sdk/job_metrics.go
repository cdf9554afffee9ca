package sdk

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What is measured of every job.
var (
	jobSuccess = Metric{
		Name: tunnel.MetricJobs + "last_success_timestamp_seconds", Kind: Gauge, Labels: []string{"job"},
		Help: "When the job last ended well.",
	}
	jobRuns = Metric{
		Name: tunnel.MetricJobs + "runs_total", Kind: Counter, Labels: []string{"job", "outcome"},
		Help: "Runs of the job that ended, dry runs left out.",
	}
	jobSkipped = Metric{
		Name: tunnel.MetricJobs + "skipped_total", Kind: Counter, Labels: []string{"job"},
		Help: "How often the job was due while it ran.",
	}
	jobTook = Metric{
		Name: tunnel.MetricJobs + "last_duration_seconds", Kind: Gauge, Labels: []string{"job"},
		Help: "How long the last run of the job took.",
	}
	jobMetrics = []Metric{jobSuccess, jobRuns, jobSkipped, jobTook}
)

// measureKept measures what was before this run of the module.
func (j *job[S]) measureKept() {
	ms := j.live.in.Metrics
	if t := j.kept.LastSuccess; !t.IsZero() {
		ms.Set(jobSuccess, unix(t), j.Name)
	}
	ms.Add(jobSkipped, 0, j.Name)
	for _, o := range []string{tunnel.ResultOK, tunnel.ResultPartial, tunnel.ResultFailed} {
		ms.Add(jobRuns, 0, j.Name, o)
	}
}

// measure measures a run that ended.
func (j *job[S]) measure(r tunnel.JobRun) {
	if r.DryRun {
		return
	}
	ms := j.live.in.Metrics
	ms.Add(jobRuns, 1, j.Name, r.Result.Outcome)
	ms.Set(jobTook, r.Ended.Sub(r.Began).Seconds(), j.Name)
	if r.Result.Outcome == tunnel.ResultOK {
		ms.Set(jobSuccess, unix(r.Ended), j.Name)
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
