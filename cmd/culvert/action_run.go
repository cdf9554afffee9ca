package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const actionArg = "ACTION"

// settleSeconds is how long --wait waits for a configuration to run.
const settleSeconds = int(defaultWait / time.Second)

func actionRunCommand(a *app) *cobra.Command {
	var f settingsFlags
	var in control.ActionInput
	var wait bool
	cmd := onConfiguration(a, &cobra.Command{
		Use:   "run " + configArg + " " + actionArg + " [KEY=VALUE]...",
		Short: "Have a module do something now, and show what comes of it",
		Long: `Have a module do something now, beside the run of the configuration, and show
each step, how far it is, and what came of it. KEY=VALUE is an argument of the
action; culvert action list shows which it takes. Interrupted, it ends.

The exit code is 0 when it went well, 3 when part of it did not, 1 when it
failed, and 4 when the configuration does not run or the action is under way.`,
		Example: `  culvert action run adsync/default sync-now --dry-run
  culvert action run adsync/default sync-now --wait -o json`,
		Args:              atLeast(configArg, actionArg),
		ValidArgsFunction: a.completeActions,
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) (err error) {
		if in.SettingsInput, err = f.read(a, more[1:]); err != nil {
			return err
		}
		if wait {
			in.WaitSeconds = settleSeconds
		}
		a.warn(a.seenArguments(cmd.Context(), ref, more[0], append(more[1:], f.set...)))
		return a.runAction(cmd, ref, more[0], in)
	})
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.Flags().BoolVar(&wait, "wait", false, "where the configuration does not run yet, wait for it, 20s at most")
	f.register(cmd, cobra.NoFileCompletions, cobra.NoFileCompletions)
	return cmd
}

// seenArguments warns of each KEY=VALUE that is a secret, as seenSecrets does for settings.
func (a *app) seenArguments(ctx context.Context, ref tunnel.ConfigurationRef, action string, assignments []string) (warnings []string) {
	if len(assignments) == 0 {
		return nil
	}
	all, err := a.daemon.Actions(ctx)
	if err != nil {
		return nil // what is asked for next says so
	}
	for _, x := range all {
		for _, f := range x.Arguments {
			given := slices.ContainsFunc(assignments, func(s string) bool { return strings.HasPrefix(s, f.Key+"=") })
			if x.Of() == ref.String() && x.Name == action && f.Type == string(settings.Secret) && given {
				warnings = append(warnings, fmt.Sprintf("%s is a secret and stood on the command line, where others can read it; give it with --secret-stdin %s", f.Key, f.Key))
			}
		}
	}
	return warnings
}

func (a *app) runAction(cmd *cobra.Command, ref tunnel.ConfigurationRef, action string, in control.ActionInput) error {
	live := a.live()
	out, err := a.daemon.RunAction(cmd.Context(), ref, action, in, live.hooks())
	live.end()
	if err != nil {
		return err
	}
	return a.worked("action "+clean(action), out)
}
