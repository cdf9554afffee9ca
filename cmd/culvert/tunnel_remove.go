package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelRemoveCommand(a *app) *cobra.Command {
	return onTunnel(a, &cobra.Command{
		Use:   "remove " + tunnelArg,
		Short: "Remove a tunnel of your own making, with its login and host key",
		Long: `Remove a tunnel of your own making, with its login and host key. What a module
declared goes when its configuration does (culvert config remove), or here once
the module is no longer installed.`,
		Example: "  culvert tunnel remove operator/office",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		if err := a.daemon.RemoveTunnel(cmd.Context(), ref); err != nil {
			return err
		}
		return a.done("tunnel", ref.String(), "removed")
	})
}

// done says that something was done that leaves nothing to show.
func (a *app) done(what, name, did string) error {
	return a.show(map[string]string{what: name, "done": did}, func() { a.say("%s %s", clean(name), did) })
}
