package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var (
	_ sdk.Actor[settings]  = adsync{}
	_ sdk.Worker[settings] = adsync{}
)

// syncLimit is how long one synchronisation may take. A directory of 10,000 people takes a minute over a poor line.
const syncLimit = 30 * time.Minute

// Jobs is the synchronisation by schedule.
func (m adsync) Jobs() []sdk.Job[settings] {
	return []sdk.Job[settings]{{
		Name: "sync", Title: "Synchronise users", Help: "makes the users of the PBX as they are in the directory", DryRun: true, Limit: syncLimit,
		Schedule: func(s settings) sdk.Schedule { return s.Schedule },
		Do: func(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
			return m.sync(ctx, in, c, false)
		},
	}}
}

// syncArguments are those of the action sync-now.
type syncArguments struct {
	Accept bool `json:"accept" title:"Change more than the safety limits allow, and take at its word a group with nobody any more"`
}

// Actions are the synchronisation now, and what it would do.
func (m adsync) Actions() []sdk.Action[settings] {
	return []sdk.Action[settings]{
		{
			Name: "sync-now", Title: "Synchronise users now", Help: "accept=true once, after a dry run, where the safety limits or a group with nobody any more stop it",
			Arguments: syncArguments{}, DryRun: true, Limit: syncLimit, Do: m.syncNow,
		},
		{
			Name: "dry-run", Title: "Show what a synchronisation would change", Help: "changes nothing", Limit: syncLimit,
			Do: func(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
				c.DryRun = true
				return m.sync(ctx, in, c, false)
			},
		},
	}
}

func (m adsync) syncNow(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
	var args syncArguments
	if err := c.Read(&args); err != nil {
		return sdk.Result{}, err
	}
	return m.sync(ctx, in, c, args.Accept)
}

// sync is one synchronisation, step by step. accept lets more change than the limits allow.
func (m adsync) sync(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call, accept bool) (sdk.Result, error) {
	done, err := m.turns.take(ctx, in.Configuration)
	if err != nil {
		return sdk.Result{}, err
	}
	defer done()
	if in.Settings.Site.Server == "" {
		return sdk.Result{}, sdk.Warning("there is nothing to synchronise with: no site is set", "culvert config set adsync/"+in.Configuration+" site.server=USER@HOST")
	}
	s, err := prepare(in, c.DryRun, accept)
	if err != nil {
		return sdk.Result{}, asVerdict(err, in.Configuration)
	}
	err = errors.Join(s.run(onCall(c, in.Configuration), c.DryRun), s.pbx.Close())
	measure(in, s.report)
	if err == nil { // else whoever ran it logs why not
		in.Log.Info("synchronised", "outcome", s.report.Outcome, "dry_run", c.DryRun, "counts", s.report.Counts.String())
	}
	if c.DryRun {
		return s.report.shown(), asVerdict(err, in.Configuration)
	}
	if kept := writeJSON(filepath.Join(in.Dir, reportFile), s.report); kept != nil {
		err = errors.Join(err, fmt.Errorf("keep the report: %w", kept))
	}
	return s.report.shown(), asVerdict(err, in.Configuration)
}

// prepare makes a synchronisation of the settings. Its users of the PBX are to be closed.
func prepare(in *sdk.Instance[settings], dry, accept bool) (*synchronisation, error) {
	users, err := adapter.Open(in.Settings.PBX, in.Dir, in.DialLocal)
	if err != nil {
		return nil, fmt.Errorf("open the users of the PBX: %w", err)
	}
	s, err := in.Settings.synchronisation(in.Dir, servers(in), users, accept)
	if err != nil {
		return nil, errors.Join(err, users.Close())
	}
	s.name = in.Configuration
	if dry {
		s.config.Trust.Learn = pinsIn(in.Dir).peek
	}
	return s, nil
}

// synchronisation is one of these settings. dir is the module's directory; accept lets more change than the limits allow.
func (s settings) synchronisation(dir string, servers []directory.Server, users pbx.Adapter, accept bool) (*synchronisation, error) {
	rules, err := s.rules(accept)
	if err != nil {
		return nil, err
	}
	config := s.config()
	config.Trust.Learn = pinsIn(dir).learn
	return &synchronisation{config: config, servers: servers, selection: s.selection(), rules: rules, pbx: users}, nil
}

// onCall shows steps to who asked.
func onCall(c *sdk.Call, configuration string) step {
	return func(name string, do func(context.Context) (string, error), after ...string) {
		c.Do(name, func(ctx context.Context) (string, error) {
			found, err := do(ctx)
			return found, asVerdict(err, configuration)
		}, after...)
	}
}

// asVerdict gives an error of a configuration its remedy, where it knows one.
func asVerdict(err error, configuration string) error {
	var e *directory.Error
	var blocked *roster.Blocked
	switch {
	case errors.As(err, &blocked):
		return sdk.Failure(blocked.Error(), fmt.Sprintf("see what would change: culvert action run adsync/%[1]s dry-run; if that is right: culvert action run adsync/%[1]s sync-now accept=true", configuration))
	case errors.As(err, &e):
		return sdk.Failure(e.Message, e.For("adsync/"+configuration))
	}
	if wayOut := adapter.WayOut(err, "adsync/"+configuration); wayOut != "" {
		return sdk.Failure(err.Error(), wayOut)
	}
	return err
}

// end completes a report: partial where somebody or something was passed over.
func (r *report) end(now time.Time, err error) {
	r.Finished = now.UTC()
	switch {
	case err != nil:
		r.Outcome, r.Error = tunnel.ResultFailed, tunnel.Clean(err.Error(), 500)
	case r.incomplete():
		r.Outcome = tunnel.ResultPartial
	default:
		r.Outcome = tunnel.ResultOK
	}
}

// shown is the report as whoever asked sees it.
func (r *report) shown() sdk.Result {
	out := sdk.Result{Outcome: r.Outcome, Message: r.Counts.String(), Columns: []string{"login", "action", "reason"}, More: r.LeftOff + r.Unnamed}
	if r.DryRun {
		out.Message = "it would be: " + out.Message
	}
	out.Counts = []sdk.Count{
		{Name: "seen", N: int64(r.Counts.Seen)}, {Name: "created", N: int64(r.Counts.Created)}, {Name: "updated", N: int64(r.Counts.Updated)},
		{Name: "reactivated", N: int64(r.Counts.Reactivated)}, {Name: "marked", N: int64(r.Counts.Marked)},
		{Name: "unchanged", N: int64(r.Counts.Unchanged)}, {Name: "skipped", N: int64(r.Counts.Skipped)}, {Name: "groups", N: int64(r.Counts.Groups)},
	}
	out.Rows = r.rows()
	return out
}

// reportFile is the report of the last run that was none for show.
const reportFile = "report.json"
