package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelSecretCommand(a *app) *cobra.Command {
	var f loginFlags
	cmd := onTunnel(a, &cobra.Command{
		Use:   "secret " + tunnelArg,
		Short: "Give a tunnel of your own making another password",
		Long: `Give a tunnel of your own making another password: on standard input, from a
file, or typed without echo. It is sealed and never shown again, and the tunnel
tries it at once.`,
		Example: "  culvert tunnel secret operator/office --password-stdin < password",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		in, err := f.read(a, "Password of "+ref.String(), nil)
		if err != nil {
			return err
		}
		if err := a.daemon.SetSecret(cmd.Context(), ref, in); err != nil {
			return err
		}
		return a.done("tunnel", ref.String(), "has its new password")
	})
	f.registerPassword(cmd)
	return cmd
}
