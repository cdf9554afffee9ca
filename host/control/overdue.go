package control

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// jobGrace is how long a job may take beyond its limit to see that its time is over, and to end: as long as the module host
// leaves to an action.
const jobGrace = 5 * time.Second

// overdueSince is when the limit of the run under way was over, the zero time where none is that should have ended by now: it
// ignores that its time is over, and the SDK ends nobody's goroutine.
func overdueSince(s tunnel.JobStatus, d tunnel.Job, now time.Time) time.Time {
	if s.Running == nil || s.Running.Began.IsZero() || d.Limit() <= 0 {
		return time.Time{}
	}
	since := s.Running.Began.Add(d.Limit())
	if !now.After(since.Add(jobGrace)) {
		return time.Time{}
	}
	return since
}
