package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func jobCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "job",
		Short: "What modules do by a schedule",
		Long: `What modules do by a schedule. A job belongs to a configuration and runs while
that does; when it is due is one of the configuration's settings: every 15m,
daily 03:30 or off. Of one job there is one run at a time.`,
		Example: `  culvert job list
  culvert job run adsync/default sync --wait`,
	})
	cmd.AddCommand(jobListCommand(a), jobShowCommand(a), jobRunCommand(a))
	return cmd
}

const jobArg = "JOB"

func jobListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "list " + ofArg,
		Short:             "List the jobs of all configurations, or of one module or configuration",
		Example:           "  culvert job list\n  culvert job list adsync -o json",
		Args:              needsAtMost(ofArg),
		ValidArgsFunction: a.completeConfigurations,
		RunE: func(cmd *cobra.Command, args []string) error {
			mine, err := chosen(args)
			if err != nil {
				return err
			}
			all, err := a.daemon.Jobs(cmd.Context())
			if err != nil {
				return err
			}
			all = slices.DeleteFunc(all, func(j control.Job) bool { return !mine(j.Of()) })
			return a.show(all, func() { a.jobTable(all) })
		},
	}
}

func (a *app) jobTable(all []control.Job) {
	if len(all) == 0 {
		a.say("There are no jobs: no configuration is of a module that has some. culvert config list shows those there are.")
		return
	}
	var rows [][]string
	for _, j := range all {
		last, outcome := "-", "-"
		if j.Last != nil {
			last, outcome = a.when(j.Last.Began), j.Last.Outcome
		}
		rows = append(rows, []string{j.Of(), j.Name, orDash(j.Schedule), a.when(j.Next), last, outcome, a.jobMessage(j)})
	}
	a.table([]string{"CONFIGURATION", "JOB", "SCHEDULE", "NEXT", "LAST", "OUTCOME", "MESSAGE"}, rows)
}

// jobMessage says what is most worth knowing of a job.
func (a *app) jobMessage(j control.Job) string {
	switch {
	case j.Message != "":
		return j.Message
	case j.OverdueSince != nil:
		return fmt.Sprintf("over its limit of %v since %s", time.Duration(j.LimitSeconds)*time.Second, a.when(j.OverdueSince))
	case j.Running != nil:
		return colon("runs", progressText(j.Progress))
	case j.Last != nil && j.Last.Message != "":
		return j.Last.Message
	case j.Last != nil:
		return countsText(j.Last.Counts)
	}
	return ""
}

func jobShowCommand(a *app) *cobra.Command {
	return onConfiguration(a, &cobra.Command{
		Use:               "show " + configArg + " " + jobArg,
		Short:             "Show one job with its last runs",
		Example:           "  culvert job show adsync/default sync",
		Args:              needs(configArg, jobArg),
		ValidArgsFunction: a.completeJobs,
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error {
		all, err := a.daemon.Jobs(cmd.Context())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(j control.Job) bool { return j.Of() == ref.String() && j.Name == more[0] })
		if i < 0 {
			return &failure{exitFailed, "there is no job " + clean(more[0]) + " of " + ref.String(), "culvert job list shows those there are"}
		}
		return a.show(all[i], func() { a.jobPage(all[i]) })
	})
}

func (a *app) jobPage(j control.Job) {
	rows := [][]string{
		{"configuration", j.Of()}, {"job", sentence(j.Name, j.Title)}, {"schedule", orDash(j.Schedule)}, {"next", a.when(j.Next)},
		{"last success", a.when(j.LastSuccess)}, {"skipped", strconv.FormatUint(j.Skipped, 10)},
	}
	if m := a.jobMessage(j); j.Running != nil || j.Message != "" {
		rows = append(rows, []string{"now", m})
	}
	a.table(nil, rows)
	if len(j.Runs) == 0 {
		return
	}
	a.say("")
	rows = nil
	for _, r := range j.Runs {
		outcome := r.Outcome
		if r.DryRun {
			outcome += " (dry run)"
		}
		rows = append(rows, []string{a.when(r.Began), a.when(r.Ended), r.By, outcome, countsText(r.Counts), r.Message})
	}
	a.table([]string{"BEGAN", "ENDED", "BY", "OUTCOME", "COUNTS", "MESSAGE"}, rows)
}

func jobRunCommand(a *app) *cobra.Command {
	var in control.JobInput
	var wait bool
	cmd := onConfiguration(a, &cobra.Command{
		Use:   "run " + configArg + " " + jobArg,
		Short: "Have a job run now",
		Long: `Have a job run now, whatever its schedule. With --wait its steps, how far it
is, and what came of it are shown, and the exit code is that of an action;
without, it is 0 as soon as the run has begun. The run does not end when the
command is interrupted.`,
		Example: `  culvert job run adsync/default sync
  culvert job run adsync/default sync --dry-run --wait -o json`,
		Args:              needs(configArg, jobArg),
		ValidArgsFunction: a.completeJobs,
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error {
		in.Detached = !wait
		if wait {
			in.WaitSeconds = settleSeconds
		}
		return a.runJob(cmd, ref, more[0], in)
	})
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end; where the configuration does not run yet, for that too, 20s at most")
	return cmd
}

func (a *app) runJob(cmd *cobra.Command, ref tunnel.ConfigurationRef, job string, in control.JobInput) error {
	live := a.live()
	out, err := a.daemon.RunJob(cmd.Context(), ref, job, in, live.hooks())
	live.end()
	if err != nil {
		if cmd.Context().Err() != nil {
			a.note("culvert: hint: the run goes on: culvert job show %s %s", ref, clean(job))
		}
		return err
	}
	if in.Detached {
		return a.show(out, func() {
			a.say("job %s has begun; culvert job show %s %s shows what comes of it", clean(job), ref, clean(job))
		})
	}
	return a.worked("job "+clean(job), out)
}

// completeJobs offers the configurations, and then the jobs of the one on the line.
func (a *app) completeJobs(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeConfigurations(cmd, args, text)
	}
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Jobs(ctx)
		for _, j := range all {
			if j.Of() == args[0] {
				out = append(out, cobra.CompletionWithDesc(clean(j.Name), clean(j.Title)))
			}
		}
		return out, err
	})
}
