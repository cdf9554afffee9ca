package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func keyCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "key",
		Short:   "The telephone system's own key pair, and the lines that let tunnels in",
		Example: "  culvert key show\n  culvert key show operator/office",
	})
	cmd.AddCommand(keyShowCommand(a))
	return cmd
}

func keyShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show [" + tunnelArg + "]",
		Short: "Show the public key as a line for authorized_keys",
		Long: `Show the public key as a line for authorized_keys, alone on its line. Put it
into ~/.ssh/authorized_keys of the user that tunnels log in as, at the SSH
server.

With a tunnel it is the line that lets this tunnel do what its mappings need
and nothing else: no shell, no other port. Where it goes stands beside it, on
standard error. A change of the mappings needs the line anew.`,
		Example: `  culvert key show
  culvert key show operator/office
  culvert key show operator/office | ssh user@server 'cat >> .ssh/authorized_keys'`,
		Args:              needsAtMost(tunnelArg),
		ValidArgsFunction: a.completeTunnels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.tunnelKey(cmd, args[0])
			}
			k, err := a.daemon.Key(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(k, func() { a.say("%s", cleanLine(k.AuthorizedKey)) })
		},
	}
}

func (a *app) tunnelKey(cmd *cobra.Command, name string) error {
	ref, fs := tunnel.ParseRef(name)
	if len(fs) > 0 {
		return fs.At(tunnelArg)
	}
	k, err := a.daemon.TunnelKey(cmd.Context(), ref)
	if err != nil {
		return err
	}
	return a.show(k, func() {
		a.say("%s", cleanLine(k.AuthorizedKey))
		a.keyPlaces(k)
	})
}

// keyPlaces says beside the line where it goes.
func (a *app) keyPlaces(k control.TunnelKey) {
	a.note("\nIt is one line, for the user %s at %s, in place of any other line there with this key:", clean(k.User), clean(k.Host))
	for _, p := range k.Places {
		a.note("  %s: %s", clean(p.System), clean(p.File))
		if p.Line != "" {
			a.note("    then, as Administrator:\n%s", cleanLine(p.Line))
		}
	}
	if k.Auth == string(tunnel.LoginPassword) {
		a.note("\nNow the tunnel logs in with a password. To have it use this key:\n%s", cleanLine(k.UseKey))
	}
	a.warn(k.Warnings)
}
