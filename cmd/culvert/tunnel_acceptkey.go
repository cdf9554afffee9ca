package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelAcceptKeyCommand(a *app) *cobra.Command {
	var wait waitFlag
	cmd := onTunnel(a, &cobra.Command{
		Use:   "accept-key " + tunnelArg,
		Short: "Confirm a learned host key, or accept a changed one",
		Long: `Confirm the host key that was learned at the first connection, or accept the one
the server shows now in the place of the one it should show. Compare the
fingerprint first with what ssh-keygen -lf says on the server: whoever shows
another key may be in between.`,
		Example: "  culvert tunnel accept-key operator/office",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error { return a.acceptKey(cmd, &wait, ref) })
	wait.register(cmd)
	return cmd
}

func (a *app) acceptKey(cmd *cobra.Command, wait *waitFlag, ref tunnel.Ref) error {
	before, err := a.daemon.Tunnel(cmd.Context(), ref)
	if err != nil {
		return err
	}
	keys, err := a.daemon.AcceptKey(cmd.Context(), ref)
	if err != nil {
		return err
	}
	if err := a.show(keys, func() {
		a.say("%-14s %s", "was "+clean(keys.Before.State)+":", keyText(keys.Before))
		a.say("%-14s %s", "now "+clean(keys.After.State)+":", keyText(keys.After))
	}); err != nil {
		return err
	}
	d := wait.duration(a)
	if d == 0 {
		return nil
	}
	var old *control.Tunnel
	if before.State == string(tunnel.Blocked) {
		old = &before
	}
	_, err = a.await(cmd.Context(), d, oneTunnel(ref.String(), old))
	return err
}

// keyText is a host key on a line of its own: to be compared, it is never wrapped.
func keyText(p control.Pin) string {
	return clean(strings.TrimSpace(p.KeyType + " " + p.Fingerprint))
}
