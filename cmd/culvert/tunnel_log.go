package main

import (
	"context"
	"errors"

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
		if err := a.known(cmd.Context(), ref); err != nil {
			return err
		}
		return a.events(cmd.Context(), a.daemon.Events(cmd.Context(), ref.String(), follow))
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}

// known is nil where there is such a tunnel, or was one.
func (a *app) known(ctx context.Context, ref tunnel.Ref) error {
	_, err := a.daemon.Tunnel(ctx, ref)
	if !errors.Is(err, tunnel.ErrNotFound) {
		return err
	}
	for _, gone := range a.daemon.Events(ctx, ref.String(), false) {
		return gone
	}
	return err
}
