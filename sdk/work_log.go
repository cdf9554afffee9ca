package sdk

import (
	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// logEnd logs what came of work, an action or a job: what failed as an error, and what went well in part, or failed because
// it was told to end, as a warning.
func logEnd(log hclog.Logger, what, name string, r Result, c ended) {
	say := log.Info
	switch {
	case r.Outcome == tunnel.ResultPartial, r.Outcome == tunnel.ResultFailed && c.cut:
		say = log.Warn
	case r.Outcome == tunnel.ResultFailed:
		say = log.Error
	}
	fields := []any{what, name, "outcome", r.Outcome, "message", r.Message, "by", c.by, "dry_run", c.dryRun}
	if r.Remedy != "" {
		fields = append(fields, "remedy", r.Remedy)
	}
	say(what+" ended", fields...)
}

// ended is whose work ended, and how.
type ended struct {
	by     string
	dryRun bool
	cut    bool // it was told to end
}
