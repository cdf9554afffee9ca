package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelEnableCommand(a *app) *cobra.Command {
	var wait waitFlag
	cmd := onTunnel(a, &cobra.Command{
		Use:     "enable " + tunnelArg,
		Short:   "Switch a tunnel on that was switched off",
		Example: "  culvert tunnel enable operator/office\n  culvert tunnel enable operator/office --wait=30s",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		t, err := a.daemon.EnableTunnel(cmd.Context(), ref, true)
		if err != nil {
			return err
		}
		return a.changedAndWait(cmd, &wait, t, "switched on", nil)
	})
	wait.register(cmd)
	return cmd
}

func tunnelDisableCommand(a *app) *cobra.Command {
	return onTunnel(a, &cobra.Command{
		Use:     "disable " + tunnelArg,
		Short:   "Switch a tunnel off: its link ends and its ports are free; it stays stored",
		Example: "  culvert tunnel disable operator/office",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		t, err := a.daemon.EnableTunnel(cmd.Context(), ref, false)
		if err != nil {
			return err
		}
		return a.changed(t, "switched off")
	})
}

func tunnelRestartCommand(a *app) *cobra.Command {
	var wait waitFlag
	cmd := onTunnel(a, &cobra.Command{
		Use:     "restart " + tunnelArg,
		Short:   "Make a tunnel's link anew, at once; its connections end",
		Example: "  culvert tunnel restart operator/office --wait",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		before, err := a.daemon.Tunnel(cmd.Context(), ref)
		if err != nil {
			return err
		}
		t, err := a.daemon.RestartTunnel(cmd.Context(), ref)
		if err != nil {
			return err
		}
		return a.changedAndWait(cmd, &wait, t, "is restarting", &before)
	})
	wait.register(cmd)
	return cmd
}
