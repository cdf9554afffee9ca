package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func configCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "The configurations of modules",
		Long: `The configurations of modules. A configuration is one set of settings, called
MODULE/NAME; the module runs once for each that is enabled, and declares the
tunnels it needs.`,
		Example: `  culvert config add monitoring/default
  culvert config set monitoring/default site.server=pbx@office.example.org`,
	})
	cmd.AddCommand(configListCommand(a), configShowCommand(a), configAddCommand(a), configSetCommand(a),
		configTestCommand(a), configEnableCommand(a), configDisableCommand(a), configRemoveCommand(a))
	return cmd
}

const configArg = "MODULE/NAME"

// onConfiguration makes cmd take one configuration, and more arguments where args says so.
func onConfiguration(a *app, cmd *cobra.Command, run func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error) *cobra.Command {
	if cmd.Args == nil {
		cmd.Args = needs(configArg)
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = a.completeConfigurations
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, fs := tunnel.ParseConfigurationRef(args[0])
		if len(fs) > 0 {
			return fs.At(configArg)
		}
		return run(cmd, ref, args[1:])
	}
	return cmd
}
