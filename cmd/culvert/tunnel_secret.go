package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelSecretCommand(a *app) *cobra.Command {
	var f loginFlags
	var wait waitFlag
	cmd := onTunnel(a, &cobra.Command{
		Use:   "secret " + tunnelArg,
		Short: "Give a tunnel of your own making another password",
		Long: `Give a tunnel of your own making another password: on standard input, from a
file, or typed without echo. It is sealed and never shown again, and the tunnel
tries it at once.`,
		Example: `  culvert tunnel secret operator/office --password-stdin < password
  culvert tunnel secret operator/office --password-file password --wait`,
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		in, err := f.read(a, "Password of "+ref.String(), nil)
		if err != nil {
			return err
		}
		return a.setSecret(cmd, &wait, ref, in)
	})
	f.registerPassword(cmd)
	wait.register(cmd)
	return cmd
}

func (a *app) setSecret(cmd *cobra.Command, wait *waitFlag, ref tunnel.Ref, in control.LoginInput) error {
	before, err := a.daemon.Tunnel(cmd.Context(), ref)
	if err != nil {
		return err
	}
	if err := a.daemon.SetSecret(cmd.Context(), ref, in); err != nil {
		return err
	}
	if err := a.done("tunnel", ref.String(), "has its new password"); err != nil {
		return err
	}
	return a.changedThenWait(cmd, wait, before)
}
