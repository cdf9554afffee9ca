package sdk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// job is one job of a run of the module: when it is due, and what came of it.
type job[S any] struct {
	Job[S]
	live     *live[S]
	schedule schedule.Schedule
	jitter   time.Duration

	mu   sync.Mutex
	kept keptJob
	next time.Time // when it is due by itself, zero for never
	now  *jobRun   // under way, nil for none
}

// jobRun is one run of a job.
type jobRun struct {
	tunnel.JobRun
	progress tunnel.Progress // guarded by the job
	done     chan struct{}   // closed when result is set
	result   Result          // with its table

	mu     sync.Mutex
	follow func(tunnel.ActReport) // nil when nobody does
}

func newJobs[S any](l *live[S], all []Job[S]) (out []*job[S]) {
	kept := readJobs(l.in.Dir, l.in.Log)
	for _, j := range all {
		s := j.Schedule(l.in.Settings)
		n := &job[S]{
			Job: j, live: l, schedule: s, kept: kept[j.Name],
			jitter: s.Jitter(string(l.in.owner) + "/" + l.in.Configuration + "/" + j.Name),
		}
		n.kept.died()
		n.measureKept()
		out = append(out, n)
	}
	return out
}

func (l *live[S]) job(name string) (*job[S], error) {
	i := slices.IndexFunc(l.jobs, func(j *job[S]) bool { return j.Name == name })
	if i < 0 {
		return nil, unknownWork("job", name)
	}
	return l.jobs[i], nil
}

// begin begins a run unless one is under way; it ends with ctx, or with the run of the module. follow, where it is not nil,
// is told what it reports.
func (j *job[S]) begin(ctx context.Context, by string, dryRun bool, follow func(tunnel.ActReport)) (*jobRun, error) {
	if dryRun && !j.DryRun {
		return nil, noDryRun("job", j.Name)
	}
	leave, err := j.live.enter("job", j.Name)
	if err != nil {
		return nil, err
	}
	r := &jobRun{
		JobRun: tunnel.JobRun{Began: wall(), By: by, DryRun: dryRun}, done: make(chan struct{}), follow: follow,
	}
	j.change(func() {
		j.now = r
		j.kept.begun(r.JobRun)
	})
	j.tell(r, tunnel.ActReport{Progress: &tunnel.Progress{}}) // it has begun
	go func() {
		j.end(r, j.work(ctx, r))
		leave() // before anyone hears of the end, and begins the next
		close(r.done)
	}()
	return r, nil
}

// work does the run.
func (j *job[S]) work(ctx context.Context, r *jobRun) Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(j.live.ctx, cancel)()
	c := &Call{DryRun: r.DryRun, By: r.By, tell: func(report tunnel.ActReport) { j.tell(r, report) }}
	result, err := j.live.do(ctx, time.Duration(seconds(j.Limit, tunnel.JobLimit))*time.Second, c, j.Do)
	if err != nil {
		result = failed(err)
	}
	return result
}

// tell passes on what a run reports.
func (j *job[S]) tell(r *jobRun, report tunnel.ActReport) {
	if report.Progress != nil {
		j.mu.Lock()
		r.progress = *report.Progress
		j.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.follow != nil {
		r.follow(report)
	}
}

// detach returns when nobody follows the run any more.
func (r *jobRun) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follow = nil
}

// end notes what came of a run.
func (j *job[S]) end(r *jobRun, result Result) {
	cut := j.live.ctx.Err() != nil && result.Outcome != tunnel.ResultOK
	j.change(func() {
		r.Ended, r.Result, r.result = wall(), result.Summary(), result
		j.now = nil
		j.kept.ended(r.JobRun, cut)
	})
	j.measure(r.JobRun)
	logEnd(j.live.in.Log, "job", j.Name, result, ended{by: r.By, dryRun: r.DryRun, cut: cut})
}

// change changes what is known of the job, and keeps it.
func (j *job[S]) change(f func()) {
	j.mu.Lock()
	f()
	j.mu.Unlock()
	j.live.keepJobs()
}

// status is how the job is.
func (j *job[S]) status() tunnel.JobStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := tunnel.JobStatus{
		Name: j.Name, Schedule: j.schedule.String(), Next: j.next,
		Runs: slices.Clone(j.kept.Runs), LastSuccess: j.kept.LastSuccess, Skipped: j.kept.Skipped,
	}
	if j.now != nil {
		run := j.now.JobRun
		s.Running, s.Progress = &run, j.now.progress
	}
	return s
}

// followJob has a job run now, and returns what comes of it. When ctx ends the run goes on.
func (l *live[S]) followJob(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (Result, error) {
	j, err := l.job(a.Job)
	if err != nil {
		return Result{}, err
	}
	r, err := j.begin(l.ctx, a.By, a.DryRun, report)
	if err != nil {
		return Result{}, err
	}
	defer r.detach()
	select {
	case <-r.done:
		return r.result, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// RunJob has a job of the module run now, for the action c or, where c is nil, for the module itself, and returns what came
// of it. It is how an action "sync-now" is the job "sync", of which there is one run at a time: while one is under way it
// is refused with tunnel.ErrExists. A dry run of the action is one of the job. When ctx ends, the run does.
func (in *Instance[S]) RunJob(ctx context.Context, c *Call, name string) (Result, error) {
	if in.live == nil {
		return Result{}, errors.New("run a job in a test: a test changes nothing")
	}
	j, err := in.live.job(name)
	if err != nil {
		return Result{}, err
	}
	by, dryRun, follow := "module", false, func(tunnel.ActReport) {}
	if c != nil {
		by, dryRun, follow = c.By, c.DryRun, c.relay
	}
	r, err := j.begin(ctx, by, dryRun, follow)
	if err != nil {
		return Result{}, err
	}
	<-r.done
	return r.result, nil
}

// Jobs is how the jobs of a configuration that runs are.
func (p plugin[S]) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	l := p.lives.get(configuration)
	if l == nil {
		return nil, notRunning(configuration)
	}
	return each(l.jobs, (*job[S]).status), nil
}

// wall is the time by the clock on the wall, which may be put forward and back.
func wall() time.Time { return time.Now().Round(0) }
