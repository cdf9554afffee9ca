package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func configEnableCommand(a *app) *cobra.Command {
	return configSwitch(a, true, &cobra.Command{
		Use:     "enable " + configArg,
		Short:   "Enable a configuration: its module runs and its tunnels come up",
		Example: "  culvert config enable monitoring/default",
	}, "enabled")
}

func configDisableCommand(a *app) *cobra.Command {
	return configSwitch(a, false, &cobra.Command{
		Use:     "disable " + configArg,
		Short:   "Disable a configuration: its tunnels come down, everything stays stored",
		Example: "  culvert config disable monitoring/default",
	}, "disabled")
}

func configSwitch(a *app, enabled bool, cmd *cobra.Command, did string) *cobra.Command {
	return onConfiguration(a, cmd, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, _ []string) error {
		c, err := a.daemon.EnableConfiguration(cmd.Context(), ref, enabled)
		if err != nil {
			return err
		}
		return a.configChanged(c, did)
	})
}

func configRemoveCommand(a *app) *cobra.Command {
	var purge bool
	cmd := onConfiguration(a, &cobra.Command{
		Use:     "remove " + configArg,
		Short:   "Remove a configuration with its settings, secrets and tunnels",
		Example: "  culvert config remove monitoring/default\n  culvert config remove monitoring/default --purge",
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, _ []string) error {
		if err := a.daemon.RemoveConfiguration(cmd.Context(), ref, purge); err != nil {
			return err
		}
		return a.done("configuration", ref.String(), "removed")
	})
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove what the module kept for it")
	return cmd
}
