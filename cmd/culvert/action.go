package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func actionCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "action",
		Short: "What modules do when they are asked",
		Long: `What modules do when they are asked. An action belongs to a configuration and
is done while that runs. What is done by a schedule is culvert job.`,
		Example: `  culvert action list
  culvert action run adsync/default sync-now --dry-run`,
	})
	cmd.AddCommand(actionListCommand(a), actionRunCommand(a))
	return cmd
}

// ofArg chooses the configurations of a module, or one.
const ofArg = "[MODULE[/NAME]]"

// chosen reports by ofArg whether a configuration, MODULE/NAME, is one of those.
func chosen(args []string) (func(of string) bool, error) {
	if len(args) == 0 {
		return func(string) bool { return true }, nil
	}
	if !strings.Contains(args[0], "/") {
		fs := tunnel.CheckName(args[0], tunnel.MaxName)
		return func(of string) bool { return strings.HasPrefix(of, args[0]+"/") }, fs.At("MODULE").Err()
	}
	_, fs := tunnel.ParseConfigurationRef(args[0])
	return func(of string) bool { return of == args[0] }, fs.At(configArg).Err()
}

func actionListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "list " + ofArg,
		Short:             "List the actions of all configurations, or of one module or configuration",
		Example:           "  culvert action list\n  culvert action list adsync/default -o json",
		Args:              needsAtMost(ofArg),
		ValidArgsFunction: a.completeConfigurations,
		RunE: func(cmd *cobra.Command, args []string) error {
			mine, err := chosen(args)
			if err != nil {
				return err
			}
			all, err := a.daemon.Actions(cmd.Context())
			if err != nil {
				return err
			}
			all = slices.DeleteFunc(all, func(x control.Action) bool { return !mine(x.Of()) })
			return a.show(all, func() { a.actionTable(all) })
		},
	}
}

func (a *app) actionTable(all []control.Action) {
	if len(all) == 0 {
		a.say("There are no actions: no configuration is of a module that has some. culvert config list shows those there are.")
		return
	}
	var rows [][]string
	for _, x := range all {
		rows = append(rows, []string{x.Of(), x.Name, argumentsText(x.Arguments), yesNo(x.DryRun), sentence(x.Title, x.Help)})
	}
	a.table([]string{"CONFIGURATION", "ACTION", "ARGUMENTS", "DRY RUN", "MESSAGE"}, rows)
}

// argumentsText is how arguments stand on a command line, those that may be left out in brackets.
func argumentsText(fields []settings.Field) string {
	var parts []string
	for _, f := range fields {
		text := f.Key + "=" + strings.ToUpper(f.Type)
		if len(f.Enum) > 0 {
			text = f.Key + "=" + strings.Join(f.Enum, "|")
		}
		if !f.Required {
			text = "[" + text + "]"
		}
		parts = append(parts, text)
	}
	return orDash(strings.Join(parts, " "))
}

// sentence is a title with what it means.
func sentence(title, help string) string {
	if help == "" {
		return title
	}
	return title + ": " + help
}

// completeActions offers the configurations, and then the actions of the one on the line with their arguments.
func (a *app) completeActions(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeConfigurations(cmd, args, text)
	}
	offers, directive := a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Actions(ctx)
		for _, x := range all {
			switch {
			case x.Of() != args[0]:
			case len(args) == 1:
				out = append(out, cobra.CompletionWithDesc(clean(x.Name), clean(x.Title)))
			case x.Name == args[1]:
				for _, f := range x.Arguments {
					out = append(out, cobra.CompletionWithDesc(clean(f.Key)+"=", clean(f.Title)))
				}
			}
		}
		return out, err
	})
	if len(args) > 1 {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return offers, directive
}
