package control

import (
	"context"
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
func (s *Status) jobs(c ConfigurationJobs, of Configuration) {
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
	for _, j := range c.Jobs {
		s.job(of, j)
	}
}

// job counts a job by how its last run went that was no dry one, and says what was wrong with it. What went well in part is
// a note, and so is what failed of a job that is off: whoever had it run has seen it.
func (s *Status) job(of Configuration, j tunnel.JobStatus) {
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
	case last.Result.Outcome == tunnel.ResultOK:
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
