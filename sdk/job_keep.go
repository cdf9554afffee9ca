package sdk

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// keptJob is what is kept of a job over restarts.
type keptJob struct {
	Due         time.Time       `json:"due,omitzero"`          // when it last was, by schedule
	Running     *tunnel.JobRun  `json:"running,omitempty"`     // under way when this was written
	Runs        []tunnel.JobRun `json:"runs,omitempty"`        // that ended, the latest first
	LastSuccess time.Time       `json:"last_success,omitzero"` // when a run ended that was ok, and no dry run
	Skipped     uint64          `json:"skipped,omitempty"`
	Cut         int             `json:"cut,omitempty"` // how many runs by schedule in a row were cut off
}

// begun notes that a run has begun.
func (k *keptJob) begun(r tunnel.JobRun) {
	k.Running = &r
	if r.By == tunnel.BySchedule {
		k.Due = r.Began
	}
}

// ended notes that a run has ended, by itself or cut off.
func (k *keptJob) ended(r tunnel.JobRun, cut bool) {
	k.Running = nil
	k.Runs = append([]tunnel.JobRun{r}, k.Runs[:min(len(k.Runs), tunnel.MaxJobRuns-1)]...)
	if r.Result.Outcome == tunnel.ResultOK && !r.DryRun {
		k.LastSuccess = r.Ended
	}
	switch {
	case r.By != tunnel.BySchedule:
	case cut:
		k.Cut++
	default:
		k.Cut = 0
	}
}

// died ends the run that was under way when the process before this one died.
func (k *keptJob) died() {
	if k.Running == nil {
		return
	}
	r := *k.Running
	r.Result = Result{
		Outcome: tunnel.ResultFailed, Message: "the module's process ended meanwhile",
		Remedy: "a run by schedule is done once more by itself; the module's log may say why",
	}
	k.ended(r, true)
}

const (
	jobsFile = ".jobs.json"
	maxKept  = 1 << 20
)

// readJobs reads what was kept, by the names of the jobs. What cannot be read is begun anew.
func readJobs(dir string, log hclog.Logger) map[string]keptJob {
	f, err := os.Open(filepath.Join(dir, jobsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept map[string]keptJob
	if err == nil {
		defer f.Close()
		err = json.NewDecoder(io.LimitReader(f, maxKept)).Decode(&kept)
	}
	if err != nil {
		log.Error("what came of the jobs before cannot be read, and is begun anew", "error", err)
	}
	return kept
}

// keepJobs writes what is to be kept of all jobs.
func (l *live[S]) keepJobs() {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	kept := map[string]keptJob{}
	for _, j := range l.jobs {
		j.mu.Lock()
		kept[j.Name] = j.kept
		j.mu.Unlock()
	}
	if err := writeWhole(filepath.Join(l.in.Dir, jobsFile), kept); err != nil {
		l.in.Log.Error("what came of the jobs cannot be kept", "error", err)
	}
}

// writeWhole replaces a file by the JSON of v, or leaves it as it was.
func writeWhole(path string, v any) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = json.NewEncoder(f).Encode(v)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
