package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "tunnel",
		Short: "See, add and change tunnels",
		Long: `See, add and change tunnels. A tunnel is one SSH connection with its mappings,
called OWNER/NAME. The owner is a module, or operator for tunnels without one.
Everybody sees every tunnel; what a module declared is changed through its
configuration (culvert config set).`,
		Example: `  culvert tunnel list
  culvert tunnel show operator/office
  culvert tunnel why operator/office`,
	})
	cmd.AddCommand(tunnelListCommand(a), tunnelShowCommand(a), tunnelWhyCommand(a), tunnelExplainCommand(a), tunnelAddCommand(a), tunnelSetCommand(a),
		tunnelEnableCommand(a), tunnelDisableCommand(a), tunnelRestartCommand(a), tunnelRemoveCommand(a),
		tunnelAcceptKeyCommand(a), tunnelSecretCommand(a), tunnelLogCommand(a))
	return cmd
}

const tunnelArg = "OWNER/NAME"

// aimed is fs, or what says it better where a mapping was named in place of its tunnel.
func aimed(subject string, fs tunnel.Findings) error {
	name, mapping, one := cutMapping(subject)
	if _, bad := tunnel.ParseRef(name); !one || len(bad) > 0 || len(tunnel.CheckName(mapping, tunnel.MaxName)) > 0 {
		return fs
	}
	return usage(tunnelArg+": "+subject+" is a mapping, and this is about a whole tunnel",
		"give "+name+"; culvert tunnel why "+subject+" says how the mapping is")
}

// onTunnel makes cmd take one existing tunnel.
func onTunnel(a *app, cmd *cobra.Command, run func(cmd *cobra.Command, ref tunnel.Ref) error) *cobra.Command {
	cmd.Args = needs(tunnelArg)
	cmd.ValidArgsFunction = a.completeTunnels
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, fs := tunnel.ParseRef(args[0])
		if len(fs) > 0 {
			return aimed(args[0], fs.At(tunnelArg))
		}
		return run(cmd, ref)
	}
	return cmd
}
