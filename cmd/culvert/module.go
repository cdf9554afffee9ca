package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func moduleCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "module",
		Short: "The modules: what they are and how they run",
		Long: `The modules: what they are and how they run. A module is a program in the
plugin directory; it runs while one of its configurations is enabled (culvert
config).`,
		Example: "  culvert module list\n  culvert module log monitoring -f",
	})
	cmd.AddCommand(moduleListCommand(a), moduleShowCommand(a), moduleSettingsCommand(a), moduleRestartCommand(a), moduleAcceptCommand(a), moduleGrantCommand(a), moduleRevokeCommand(a), moduleLogCommand(a), moduleNewCommand(a))
	return cmd
}

// onModule makes cmd take one module.
func onModule(a *app, cmd *cobra.Command, run func(cmd *cobra.Command, name tunnel.Owner) error) *cobra.Command {
	cmd.Args = needs("NAME")
	cmd.ValidArgsFunction = a.completeModule
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if fs := tunnel.CheckName(args[0], tunnel.MaxName); len(fs) > 0 {
			return fs.At("NAME")
		}
		return run(cmd, tunnel.Owner(args[0]))
	}
	return cmd
}
