package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelAcceptKeyCommand(a *app) *cobra.Command {
	var fingerprint string
	var wait waitFlag
	cmd := onTunnel(a, &cobra.Command{
		Use:   "accept-key " + tunnelArg,
		Short: "Confirm a learned host key, or accept a changed one",
		Long: `Confirm the host key that was learned at the first connection, or accept the one
the server shows now in the place of the one it should show. Compare the
fingerprint first with what ssh-keygen -lf says on the server: whoever shows
another key may be in between. With --fingerprint only the key you compared is
accepted, else the one that is offered when the command runs. It is refused
when the server shows yet another one meanwhile.`,
		Example: `  culvert tunnel accept-key operator/office
  culvert tunnel accept-key operator/office --fingerprint SHA256:...`,
	}, func(cmd *cobra.Command, ref tunnel.Ref) error { return a.acceptKey(cmd, &wait, ref, fingerprint) })
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "accept the key with this fingerprint alone")
	wait.register(cmd)
	return cmd
}

func (a *app) acceptKey(cmd *cobra.Command, wait *waitFlag, ref tunnel.Ref, fingerprint string) error {
	before, err := a.daemon.Tunnel(cmd.Context(), ref)
	if err != nil {
		return err
	}
	if fingerprint == "" && before.OfferedKey != nil {
		fingerprint = before.OfferedKey.Fingerprint
	}
	keys, err := a.daemon.AcceptKey(cmd.Context(), ref, fingerprint)
	if err != nil {
		return err
	}
	if err := a.show(keys, func() {
		a.say("%-14s %s", "was "+clean(keys.Before.State)+":", keyText(keys.Before.KeyType, keys.Before.Fingerprint))
		a.say("%-14s %s", "now "+clean(keys.After.State)+":", keyText(keys.After.KeyType, keys.After.Fingerprint))
	}); err != nil {
		return err
	}
	return a.changedThenWait(cmd, wait, before)
}

// keyText is a host key on a line of its own: to be compared, it is never wrapped.
func keyText(keyType, fingerprint string) string {
	return clean(strings.TrimSpace(keyType + " " + fingerprint))
}
