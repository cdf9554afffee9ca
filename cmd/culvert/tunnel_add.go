package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type addFlags struct {
	server, fingerprint, comment string
	disabled                     bool
	login                        loginFlags
	route                        routeFlags
	mappings                     mappingFlags
	templates                    templateFlag
	lanes                        laneFlag
	wait                         waitFlag
}

func tunnelAddCommand(a *app) *cobra.Command {
	var f addFlags
	cmd := &cobra.Command{
		Use:   "add " + tunnelArg,
		Short: "Add a tunnel of your own making",
		Long: `Add a tunnel of your own making: for the owner operator, or for a module that
uses tunnels of this kind.

` + mappingHelp + `

` + templateHelp + `

It returns when the tunnel is stored; on a terminal, or with --wait, it then
shows how the tunnel comes up.`,
		Example: `  culvert tunnel add operator/office --server pbx@example.org --key host --expose 443:8443
  culvert tunnel add operator/sql --server 192.0.2.7 --password-file F --reach 1433:sql.lan:1433
  culvert tunnel add operator/dir --server pbx@example.org --key host --template ldaps@dc1.lan
  culvert tunnel add hello/lab --server pbx@[2001:db8::1]:2222 --key ~/.ssh/id --reach web=8080:80
  culvert tunnel add operator/ldap --server pbx@example.org --key host --via http://proxy.lan:3128
  culvert tunnel add operator/rec --server 192.0.2.7 --key host --reach up=2022:22 --lane up=bulk`,
		Args:              needs(tunnelArg),
		ValidArgsFunction: a.completeOwners,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.addTunnel(cmd, args[0], &f) }
	cmd.Flags().StringVar(&f.server, "server", "", "SSH server, [USER@]HOST[:PORT]")
	cmd.Flags().StringVar(&f.fingerprint, "fingerprint", "", "the server's host key: SHA256:..., MD5:... or 16 hex bytes")
	cmd.Flags().StringVar(&f.comment, "comment", "", "what the tunnel is for")
	cmd.Flags().BoolVar(&f.disabled, "disabled", false, "store it switched off")
	f.login.register(cmd)
	f.route.register(cmd)
	f.mappings.register(cmd)
	f.templates.register(cmd)
	f.lanes.register(a, cmd, f.names)
	f.wait.register(cmd)
	return cmd
}

// names are what the mappings of the line will be called.
func (f *addFlags) names() []string { return f.templates.names(f.mappings.names()) }

func (a *app) addTunnel(cmd *cobra.Command, name string, f *addFlags) error {
	ref, fs := tunnel.ParseRef(name)
	fs = fs.At(tunnelArg)
	server, more := parseServer(f.server)
	fs = append(fs, more...)
	fs = append(fs, checkFingerprint(f.fingerprint)...)
	fs = append(fs, f.mappings.check()...)
	fs = append(fs, f.templates.check()...)
	lanes, more := f.lanes.read()
	fs = append(fs, more...)
	fs = append(fs, f.wait.check(f.disabled)...)
	login, route, err := a.readSecrets(&f.login, &f.route, loginFor(server), fs)
	if err != nil {
		return err
	}
	t, err := a.daemon.AddTunnel(cmd.Context(), control.NewTunnel{
		Owner: string(ref.Owner), Name: string(ref.Name), Server: f.server, LoginInput: login, RouteInput: route,
		Fingerprint: f.fingerprint, Comment: f.comment, Disabled: f.disabled, Mappings: f.mappings.list, Templates: f.templates.given, Lanes: lanes,
	})
	if err != nil {
		return err
	}
	a.warn(t.Warnings)
	if f.disabled {
		return a.changed(t, "added, switched off")
	}
	return a.changedAndWait(cmd, &f.wait, t, "added", nil)
}

// readSecrets gets login and proxy. fs is what is wrong already: then nothing is read, and all findings come back as one.
func (a *app) readSecrets(login *loginFlags, route *routeFlags, prompt string, fs tunnel.Findings) (control.LoginInput, control.RouteInput, error) {
	fs = append(fs, route.check(login)...)
	in, err := login.read(a, prompt, fs)
	if err != nil {
		return in, control.RouteInput{}, err
	}
	way, err := route.read(a)
	return in, way, err
}

// changed says what was done to t, or shows it as JSON.
func (a *app) changed(t control.Tunnel, what string) error {
	return a.show(t, func() { a.say("%s %s", clean(t.Ref()), what) })
}
