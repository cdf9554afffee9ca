package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type setFlags struct {
	server, fingerprint, comment string
	drop, acceptWider            []string
	ifRevision                   revision
	login                        loginFlags
	mappings                     mappingFlags
}

func tunnelSetCommand(a *app) *cobra.Command {
	var f setFlags
	cmd := onTunnel(a, &cobra.Command{
		Use:   "set " + tunnelArg,
		Short: "Change a tunnel of your own making",
		Long: `Change a tunnel of your own making; what is not named stays. A mapping of a name
that is there already takes its place. Connections through mappings that are not
named go on. A new server or user needs the login anew.

` + mappingHelp,
		Example: `  culvert tunnel set operator/office --expose web=443:9443 --drop ssh
  culvert tunnel set operator/office --server pbx@office.example.org:2222 --key host
  culvert tunnel set operator/office --comment "branch office" --if-revision 7`,
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		edit, err := f.edit(a, cmd)
		if err != nil {
			return err
		}
		t, err := a.daemon.EditTunnel(cmd.Context(), ref, edit)
		if err != nil {
			return err
		}
		a.warn(t.Warnings)
		return a.changed(t, "changed")
	})
	cmd.Flags().StringVar(&f.server, "server", "", "another SSH server, [USER@]HOST[:PORT]")
	cmd.Flags().StringVar(&f.fingerprint, "fingerprint", "", "the server's host key; empty forgets the one given before")
	cmd.Flags().StringVar(&f.comment, "comment", "", "what the tunnel is for")
	cmd.Flags().StringArrayVar(&f.drop, "drop", nil, "remove the mapping of this NAME (again for more)")
	cmd.Flags().StringArrayVar(&f.acceptWider, "accept-wider", nil, "let the server bind the remote port of this mapping wider than declared")
	f.ifRevision.register(cmd, "tunnel")
	_ = cmd.RegisterFlagCompletionFunc("drop", a.completeMappings)
	_ = cmd.RegisterFlagCompletionFunc("accept-wider", a.completeMappings)
	f.login.register(cmd)
	f.mappings.register(cmd)
	return cmd
}

// edit is what the flags ask for; nothing asked for is a usage error.
func (f *setFlags) edit(a *app, cmd *cobra.Command) (control.TunnelEdit, error) {
	e := control.TunnelEdit{Set: f.mappings.list, Drop: f.drop, AcceptWider: f.acceptWider, IfRevision: f.ifRevision.n}
	flags := cmd.Flags()
	fs := f.mappings.check()
	for flag, names := range map[string][]string{"--drop": f.drop, "--accept-wider": f.acceptWider} {
		for _, n := range names {
			fs = append(fs, tunnel.CheckName(n, tunnel.MaxName).At(flag)...)
		}
	}
	if flags.Changed("server") {
		_, more := parseServer(f.server)
		e.Server, fs = &f.server, append(fs, more...)
	}
	if flags.Changed("fingerprint") {
		e.Fingerprint, fs = &f.fingerprint, append(fs, checkFingerprint(f.fingerprint)...)
	}
	if flags.Changed("comment") {
		e.Comment = &f.comment
	}
	if f.login.given() {
		login, err := f.login.read(a, "Password", fs)
		if err != nil {
			return e, err
		}
		e.Login = &login
	}
	if len(fs) > 0 {
		return e, fs
	}
	if e.Server == nil && e.Fingerprint == nil && e.Comment == nil && e.Login == nil && len(e.Set)+len(e.Drop)+len(e.AcceptWider) == 0 {
		return e, usage("nothing to change is named", cmd.CommandPath()+" --help shows what can be changed")
	}
	return e, nil
}
