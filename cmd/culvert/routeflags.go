package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// routeFlags say how a connection gets to its server: through a proxy, and where the server stands in its own network.
type routeFlags struct {
	via, passwordFile, lan string
	passwordStdin          bool

	flags *pflag.FlagSet
}

const viaPasswordStdin, viaPasswordFile = "--via-password-stdin", "--via-password-file"

func (f *routeFlags) register(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	f.flags.StringVar(&f.via, "via", "", "go through a proxy: http://[USER@]HOST:PORT or socks5://[USER@]HOST:PORT")
	f.flags.StringVar(&f.passwordFile, "via-password-file", "", "the password of the proxy's user is in this file")
	f.flags.BoolVar(&f.passwordStdin, "via-password-stdin", false, "the password of the proxy's user is on standard input")
	f.flags.StringVar(&f.lan, "server-lan", "", "the SSH server's address in its own network, where the telephone system\nknows it under another: to measure who can connect to an exposed port")
	_ = cmd.RegisterFlagCompletionFunc("via", cobra.FixedCompletions([]string{"http://", "socks5://"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	_ = cmd.RegisterFlagCompletionFunc("server-lan", cobra.NoFileCompletions)
}

// check says what is wrong with the flags, beside those of the login. No password stands in it.
func (f *routeFlags) check(login *loginFlags) tunnel.Findings {
	_, fs := tunnel.ParseVia(f.via)
	fs = fs.At("--via")
	_, more := tunnel.ParseLAN(f.lan)
	fs = append(fs, more.At("--server-lan")...)
	malformed := func(field, message, wayOut string) {
		fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: field, Message: message, WayOut: wayOut})
	}
	other := login.fromStdin()
	switch fromFile := f.flags.Changed("via-password-file"); {
	case f.passwordStdin && fromFile:
		malformed(viaPasswordStdin+", "+viaPasswordFile, "the proxy's password is given in two ways", "give one of them")
	case f.passwordStdin && other != "":
		malformed(viaPasswordStdin+", "+other, "standard input cannot hold two secrets", "give one of them in a file: "+viaPasswordFile+" FILE")
	case fromFile && f.passwordFile == "":
		malformed(viaPasswordFile, "no file is named", "give "+viaPasswordFile+" FILE")
	}
	return fs
}

// givesPassword reports whether a password for the proxy is given.
func (f *routeFlags) givesPassword() bool {
	return f.passwordStdin || f.flags.Changed("via-password-file")
}

func (f *routeFlags) passwordFlag() string {
	if f.passwordStdin {
		return viaPasswordStdin
	}
	return viaPasswordFile
}

// read gets the proxy's password, once the flags were checked: where its user needs one and none is given, it is asked
// for on a terminal.
func (f *routeFlags) read(a *app) (control.RouteInput, error) {
	in := control.RouteInput{Via: f.via, LAN: f.lan}
	via, _ := tunnel.ParseVia(f.via)
	var err error
	switch {
	case f.passwordStdin:
		in.ViaPassword, err = a.stdinSecret(viaPasswordStdin, "Password of the proxy")
	case f.passwordFile != "":
		if in.ViaPassword, err = readFile(viaPasswordFile, f.passwordFile); err == nil {
			in.ViaPassword, err = secretLine(viaPasswordFile, in.ViaPassword)
		}
	case via.User != "" && terminal(a.in):
		in.ViaPassword, err = a.prompt(fmt.Sprintf("Password of %s at the proxy %s", via.User, via.Endpoint()))
	}
	if err == nil && in.ViaPassword == "" && f.givesPassword() {
		err = tunnel.Findings{{Code: tunnel.Required, Field: f.passwordFlag(), Message: "the proxy's password is empty", WayOut: "give it, or leave the flag out where the proxy asks for none"}}
	}
	return in, err
}

// edit puts into e what the flags name; what they do not name stays.
func (f *routeFlags) edit(a *app, e *control.TunnelEdit) error {
	in, err := f.read(a)
	if f.flags.Changed("via") {
		e.Via = &in.Via
	}
	if in.ViaPassword != "" {
		e.ViaPassword = &in.ViaPassword
	}
	if f.flags.Changed("server-lan") {
		e.LAN = &in.LAN
	}
	return err
}
