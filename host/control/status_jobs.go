package control

import (
	"context"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// statusPatience is how long the status waits for modules to say how their jobs are: whoever asks wants to know at once, and
// has most of it from the host itself.
const statusPatience = time.Second

// askJobs asks how all jobs are while the rest of a status is put together.
func (s *Server) askJobs(ctx context.Context) (answer func() ([]ConfigurationJobs, error)) {
	type answered struct {
		jobs []ConfigurationJobs
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	c := make(chan answered, 1)
	go func() {
		defer cancel()
		jobs, err := s.Modules.Jobs(ctx)
		c <- answered{jobs, err}
	}()
	return func() ([]ConfigurationJobs, error) {
		a := <-c
		return a.jobs, a.err
	}
}

// jobs says how the jobs of a configuration went that is to run. Where it does not run, or nobody knows, what is wrong with
// it or with its module is said of these.
func (s *Status) jobs(c ConfigurationJobs, of Configuration, d tunnel.Description) {
	switch state := tunnel.ConfigurationState(of.State); {
	case !of.Enabled, state != tunnel.ConfigRunning && state != tunnel.ConfigDone:
		return
	case c.Why != "":
		s.Notes = append(s.Notes, Problem{
			Subject: of.Ref(), Reason: reasonOf(tunnel.JobsUnknown), Message: "it does not say how its jobs are: " + c.Why,
			Remedy: "ask again; if it stays so: culvert module restart " + of.Module, More: "culvert job list " + of.Ref(),
		})
		return
	}
	now := time.Now()
	for _, j := range c.Jobs {
		said, _ := d.Job(j.Name)
		s.job(of, j, s.overdue(of, j, said, now))
	}
}

// overdue says that a run is beyond its limit, and whether it is. Whoever asked for it, and dry or not: it does not end by
// itself, and no other run begins before.
func (s *Status) overdue(of Configuration, j tunnel.JobStatus, d tunnel.Job, now time.Time) bool {
	since := overdueSince(j, d, now)
	if since.IsZero() {
		return false
	}
	s.OK = false
	s.Problems = append(s.Problems, Problem{
		Subject: of.Ref(), Reason: reasonOf(tunnel.JobOverdue),
		Message: fmt.Sprintf("job %s runs on, over its limit of %v since %s", j.Name, d.Limit(), since.UTC().Format("2006-01-02 15:04:05 MST")),
		Remedy:  "culvert module restart " + of.Module, More: "culvert job show " + of.Ref() + " " + j.Name,
	})
	return true
}

// job counts a job by how its last run went that was no dry one, and unless what is under way is worse says what was wrong
// with it. What went well in part is a note, and so is what failed of a job that is off: whoever had it run has seen it.
func (s *Status) job(of Configuration, j tunnel.JobStatus, worse bool) {
	last := lastRun(j)
	if last == nil {
		s.Jobs[neverRan]++
		return
	}
	s.Jobs[last.Result.Outcome]++
	p := Problem{
		Subject: of.Ref(), Reason: reasonOf(tunnel.JobFailed), Message: "job " + j.Name + " failed", Remedy: last.Result.Remedy,
		More: "culvert job show " + of.Ref() + " " + j.Name,
	}
	if last.Result.Outcome == tunnel.ResultPartial {
		p.Reason, p.Message = reasonOf(tunnel.JobPartial), "job "+j.Name+" went well only in part"
	}
	if last.Result.Message != "" {
		p.Message += ": " + last.Result.Message
	}
	switch {
	case worse, last.Result.Outcome == tunnel.ResultOK:
	case last.Result.Outcome == tunnel.ResultPartial, j.Schedule == jobOff:
		s.Notes = append(s.Notes, p)
	default:
		s.OK = false
		s.Problems = append(s.Problems, p)
	}
}

const (
	neverRan = "not-run" // in the place of an outcome
	jobOff   = "off"     // in the place of a schedule
)

// lastRun is the last run that ended and was no dry one, nil where none did.
func lastRun(j tunnel.JobStatus) *tunnel.JobRun {
	for i, r := range j.Runs {
		if !r.DryRun {
			return &j.Runs[i]
		}
	}
	return nil
}
