package control

import (
	"net/http"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// listJobs lists the jobs of all configurations, whether or not they run.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	s.lookBeside(w, r)
	found, err := s.Modules.Jobs(r.Context())
	if err != nil {
		return err
	}
	all := []Job{}
	for _, c := range found {
		d, _ := s.Operator.Description(r.Context(), c.Of.Module) // without one there is no title
		for _, j := range c.Jobs {
			said, _ := d.Job(j.Name)
			all = append(all, jobOf(c, j, said))
		}
	}
	return answer(w, http.StatusOK, all)
}

// postJob has a job run now, and streams as postAction does. When its reader is gone, the run goes on.
func (s *Server) postJob(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	var in JobInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if fs := checkWait(in.WaitSeconds); len(fs) > 0 {
		return fs
	}
	if _, err := s.Operator.Configuration(r.Context(), ref); err != nil {
		return err
	}
	d, err := s.description(r.Context(), ref.Module)
	if err != nil {
		return err
	}
	name := r.PathValue("job")
	if _, ok := d.Job(name); !ok {
		name = tunnel.Clean(name, 60)
		return tunnel.Findings{{Code: tunnel.NotFound, Field: "job", Value: name,
			Message: "module " + string(ref.Module) + " has no job " + name, WayOut: "culvert job list " + ref.String() + " shows those there are"}}
	}
	return s.work(w, r, Ask{
		Of: ref, Job: name, DryRun: in.DryRun, By: by(r), Detached: in.Detached, Patience: time.Duration(in.WaitSeconds) * time.Second,
	})
}
