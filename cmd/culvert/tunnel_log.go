package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelLogCommand(a *app) *cobra.Command {
	var follow bool
	cmd := onTunnel(a, &cobra.Command{
		Use:     "log " + tunnelArg,
		Short:   "What happened to a tunnel, oldest first",
		Example: "  culvert tunnel log operator/office -f",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		if _, err := a.daemon.Tunnel(cmd.Context(), ref); err != nil {
			return err
		}
		return a.events(cmd.Context(), a.daemon.Events(cmd.Context(), ref.String(), follow))
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}
