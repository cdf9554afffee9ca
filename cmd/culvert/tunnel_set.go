package main

import (
	"reflect"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type setFlags struct {
	server, fingerprint, comment   string
	drop, acceptWider, refuseWider []string
	ifRevision                     revision
	login                          loginFlags
	route                          routeFlags
	mappings                       mappingFlags
	templates                      templateFlag
	lanes                          laneFlag
}

func tunnelSetCommand(a *app) *cobra.Command {
	var f setFlags
	cmd := onTunnel(a, &cobra.Command{
		Use:   "set " + tunnelArg,
		Short: "Change a tunnel of your own making",
		Long: `Change a tunnel of your own making; what is not named stays. A mapping of a name
that is there already takes its place. Connections through mappings that are not
named go on. A new server or user needs the login anew, and a new proxy its
password. --accept-wider and --refuse-wider work on tunnels of modules too.

` + mappingHelp + "\n\n" + templateHelp,
		Example: `  culvert tunnel set operator/office --expose web=443:9443 --drop ssh
  culvert tunnel set operator/office --server pbx@office.example.org:2222 --key host
  culvert tunnel set operator/office --comment "branch office" --if-revision 7
  culvert tunnel set operator/office --via http://pbx@proxy.lan:3128 --via-password-stdin < password
  culvert tunnel set operator/office --via ""
  culvert tunnel set operator/office --template mssql@sql.lan --template node
  culvert tunnel set operator/office --lane recordings=bulk
  culvert tunnel set monitoring/default.site --accept-wider host`,
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
	f.register(a, cmd)
	return cmd
}

func (f *setFlags) register(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.server, "server", "", "another SSH server, [USER@]HOST[:PORT]")
	flags.StringVar(&f.fingerprint, "fingerprint", "", "the server's host key; empty forgets the one given before")
	flags.StringVar(&f.comment, "comment", "", "what the tunnel is for")
	flags.StringArrayVar(&f.drop, "drop", nil, "remove the mapping of this NAME (again for more)")
	flags.StringArrayVar(&f.acceptWider, "accept-wider", nil, "let the remote port of the mapping of this NAME be bound wider than declared:\nmore than the SSH server itself can connect then (again for more)")
	flags.StringArrayVar(&f.refuseWider, "refuse-wider", nil, "take that back (again for more)")
	f.ifRevision.register(cmd, "tunnel")
	for _, name := range []string{"drop", "accept-wider", "refuse-wider"} {
		_ = cmd.RegisterFlagCompletionFunc(name, a.completeMappings)
	}
	f.login.register(cmd)
	f.route.register(cmd)
	f.mappings.register(cmd)
	f.templates.register(cmd)
	f.lanes.register(a, cmd, f.names)
}

// names are what the mappings of the line will be called.
func (f *setFlags) names() []string { return f.templates.names(f.mappings.names()) }

// edit is what the flags ask for; nothing asked for is a usage error.
func (f *setFlags) edit(a *app, cmd *cobra.Command) (control.TunnelEdit, error) {
	e := control.TunnelEdit{Set: f.mappings.list, Templates: f.templates.given, Drop: f.drop, AcceptWider: f.acceptWider, RefuseWider: f.refuseWider, IfRevision: f.ifRevision.n}
	fs := f.check(cmd, &e)
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
	if err := f.route.edit(a, &e); err != nil {
		return e, err
	}
	if !asks(e) {
		return e, usage("nothing to change is named", cmd.CommandPath()+" --help shows what can be changed")
	}
	return e, nil
}

// check says what is wrong with the flags and puts into e what needs no reading.
func (f *setFlags) check(cmd *cobra.Command, e *control.TunnelEdit) tunnel.Findings {
	fs := append(f.mappings.check(), f.templates.check()...)
	for _, names := range []struct {
		flag  string
		names []string
	}{{"--drop", f.drop}, {"--accept-wider", f.acceptWider}, {"--refuse-wider", f.refuseWider}} {
		for _, n := range names.names {
			fs = append(fs, tunnel.CheckName(n, tunnel.MaxName).At(names.flag)...)
		}
	}
	var more tunnel.Findings
	e.Lanes, more = f.lanes.read()
	fs = append(fs, more...)
	flags := cmd.Flags()
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
	return append(fs, f.route.check(&f.login)...)
}

// asks reports whether e changes anything.
func asks(e control.TunnelEdit) bool {
	e.IfRevision = 0
	return !reflect.ValueOf(e).IsZero()
}
