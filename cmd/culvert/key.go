package main

import "github.com/spf13/cobra"

func keyCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "key",
		Short:   "The telephone system's own key pair",
		Example: "  culvert key show",
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Show the public key as a line for authorized_keys",
		Long: `Show the public key as a line for authorized_keys, alone on its line. Put it
into ~/.ssh/authorized_keys of the user that tunnels log in as, at the SSH
server.`,
		Example: "  culvert key show\n  culvert key show | ssh user@server 'cat >> .ssh/authorized_keys'",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := a.daemon.Key(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(k, func() { a.say("%s", clean(k.AuthorizedKey)) })
		},
	})
	return cmd
}
