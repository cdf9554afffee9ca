package sdk

import (
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Worker is a [Module] that does something by a schedule. An author says so with
//
//	var _ sdk.Worker[settings] = adsync{}
//
// keeps the schedule in the settings, and lists the jobs:
//
//	type settings struct {
//		Schedule sdk.Schedule `json:"schedule" title:"When to synchronise" default:"every 1h" min:"5m"`
//	}
//
//	func (m adsync) Jobs() []sdk.Job[settings] {
//		return []sdk.Job[settings]{{
//			Name: "sync", Title: "Synchronise", DryRun: true, Limit: 30 * time.Minute, Do: m.sync,
//			Schedule: func(s settings) sdk.Schedule { return s.Schedule },
//		}}
//	}
//
// Jobs run beside Run, while the configuration does. Of one job there is one run at a time: when it is due while one is
// under way, that is counted and nothing else. A job of "every" is due for the first time at once, then each time that much
// has passed, over restarts too; one of "daily" is due at its time (package schedule). All are late by a few seconds, each
// by its own, so that not all begin together. A run by schedule that the end of the process or a change of the settings cut
// off is done once more. What came of the last runs is kept in the configuration's directory.
//
// A module with jobs need do nothing more in Run than declare its tunnels, and may return then: its jobs go on.
type Worker[S any] interface {
	// Jobs lists the module's jobs. It needs neither settings nor the host, and always returns the same.
	Jobs() []Job[S]
}

// Job is something that a module does by a schedule, and when an operator asks for it: `culvert job run`.
type Job[S any] struct {
	Name     string           // as of a mapping: lower-case letters, digits and -
	Title    string           // "Synchronise"
	Help     string           // what it does, in a line
	Schedule func(S) Schedule // where the settings say it
	DryRun   bool             // whether Do heeds Call.DryRun; by schedule it is never one
	Limit    time.Duration    // for one run, in seconds; 0: tunnel.JobLimit. At most tunnel.MaxJobLimit
	Do       Work[S]
}

// Schedule says when a job is due, in settings: "every 15m", "daily 03:30" or "off". Its tag min is the shortest time
// between two runs, "5m".
type Schedule = schedule.Schedule

func describeJobs[S any](all []Job[S]) (out []tunnel.Job, err error) {
	for _, j := range all {
		if j.Do == nil || j.Schedule == nil {
			return nil, fmt.Errorf("job %s: it has no Do or no Schedule", j.Name)
		}
		out = append(out, tunnel.Job{Name: j.Name, Title: j.Title, Help: j.Help, DryRun: j.DryRun, Seconds: seconds(j.Limit, tunnel.JobLimit)})
	}
	return out, nil
}
