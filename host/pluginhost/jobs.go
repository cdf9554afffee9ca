package pluginhost

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ConfigurationJobs are the jobs of one configuration.
type ConfigurationJobs struct {
	Of   tunnel.ConfigurationRef
	Jobs []tunnel.JobStatus // the module's in its order; where it does not say how they are, with their names alone
	Why  string             // why it does not say; "" where it does
}

// jobsPatience is how long a module may take to say how its jobs are.
const jobsPatience = 3 * time.Second

// Jobs is how the jobs of every configuration are whose module has some, by name. Of those that run, the modules are asked,
// all at once.
func (h *Host) Jobs(ctx context.Context) []ConfigurationJobs {
	ctx, cancel := context.WithTimeout(ctx, jobsPatience)
	defer cancel()
	var found []*ConfigurationJobs
	var wg sync.WaitGroup
	for _, m := range h.all() {
		jobs, refs := m.jobs()
		for _, ref := range refs {
			c := &ConfigurationJobs{Of: ref}
			found = append(found, c)
			wg.Go(func() { c.Jobs, c.Why = m.askJobs(ctx, ref, jobs) })
		}
	}
	wg.Wait()
	out := make([]ConfigurationJobs, len(found))
	for i, c := range found {
		out[i] = *c
	}
	return out
}

// jobs are those that the module says it has, and its configurations.
func (m *module) jobs() (jobs []tunnel.Job, refs []tunnel.ConfigurationRef) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pin == nil || len(m.pin.Description.Jobs) == 0 {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.runs)) {
		refs = append(refs, m.runs[name].Ref)
	}
	return m.pin.Description.Jobs, refs
}

// askJobs asks how the jobs of a configuration are. What a module says of others than it has is passed over.
func (m *module) askJobs(ctx context.Context, ref tunnel.ConfigurationRef, jobs []tunnel.Job) (out []tunnel.JobStatus, why string) {
	m.mu.Lock()
	r, err := m.runningLocked(ref)
	m.mu.Unlock()
	var said []tunnel.JobStatus
	if err == nil {
		err = m.settled(ctx, ref, r, func(r *running) error {
			said, err = r.module.Jobs(ctx, ref.Name)
			return err
		})
	}
	if err != nil {
		why = tunnel.Clean(err.Error(), 300)
	}
	for _, j := range jobs {
		s := tunnel.JobStatus{Name: j.Name}
		if i := slices.IndexFunc(said, func(s tunnel.JobStatus) bool { return s.Name == j.Name }); i >= 0 {
			s = said[i]
		}
		out = append(out, s)
	}
	return out, why
}
