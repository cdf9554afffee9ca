package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ownKey is what --key names for the telephone system's own key pair.
const ownKey = "host"

// loginFlags say how a tunnel logs in. At most one way may be given.
type loginFlags struct {
	passwordStdin   bool
	passwordFile    string
	key             string
	passphraseStdin bool

	flags *pflag.FlagSet
}

func (f *loginFlags) register(cmd *cobra.Command) {
	f.registerPassword(cmd)
	f.flags.StringVar(&f.key, "key", "", "log in with a key: host is the telephone system's own, else a private key FILE")
	f.flags.BoolVar(&f.passphraseStdin, "passphrase-stdin", false, "the key's passphrase is on standard input")
}

func (f *loginFlags) registerPassword(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	f.flags.BoolVar(&f.passwordStdin, "password-stdin", false, "log in with the password on standard input")
	f.flags.StringVar(&f.passwordFile, "password-file", "", "log in with the password in this file")
}

// ways are the flags given that are each a way to log in.
func (f *loginFlags) ways() []string {
	var ways []string
	if f.flags.Changed("key") {
		ways = append(ways, "--key")
	}
	if f.passwordStdin {
		ways = append(ways, "--password-stdin")
	}
	if f.flags.Changed("password-file") {
		ways = append(ways, "--password-file")
	}
	return ways
}

// fromStdin is the flag that takes a secret from standard input, "" where none does.
func (f *loginFlags) fromStdin() string {
	switch {
	case f.passwordStdin:
		return "--password-stdin"
	case f.passphraseStdin:
		return "--passphrase-stdin"
	}
	return ""
}

// given reports whether anything about the login is said.
func (f *loginFlags) given() bool { return len(f.ways()) > 0 || f.passphraseStdin }

// read gets the login. fs is what is wrong already: then nothing is asked for, and all findings come back as one.
func (f *loginFlags) read(a *app, prompt string, fs tunnel.Findings) (control.LoginInput, error) {
	ask := !f.given() && terminal(a.in)
	if !ask {
		fs = append(fs, f.check()...)
	}
	if len(fs) > 0 {
		return control.LoginInput{}, fs
	}
	if ask {
		password, err := a.prompt(prompt)
		return control.LoginInput{Login: string(tunnel.LoginPassword), Password: password}, err
	}
	if f.key != "" {
		return f.readKey(a)
	}
	password, err := f.readPassword(a)
	return control.LoginInput{Login: string(tunnel.LoginPassword), Password: password}, err
}

// check says which flags do not go together, and which is missing.
func (f *loginFlags) check() tunnel.Findings {
	finding := func(code tunnel.Code, field, message, wayOut string) tunnel.Findings {
		return tunnel.Findings{{Code: code, Field: field, Message: message, WayOut: wayOut}}
	}
	ways := f.ways()
	switch {
	case len(ways) > 1:
		return finding(tunnel.Malformed, strings.Join(ways, ", "), "more than one way to log in is given", "give one of them")
	case f.passphraseStdin && (f.key == "" || f.key == ownKey):
		return finding(tunnel.Malformed, "--passphrase-stdin", "--key names no private key that it could be the passphrase of", "give --key FILE too, or leave it out")
	case len(ways) == 0 && f.flags.Lookup("key") == nil:
		return finding(tunnel.Required, "--password-stdin", "the password is missing", "give --password-stdin or --password-file FILE")
	case len(ways) == 0:
		return finding(tunnel.Required, "--key", "how to log in is missing", "give --key host, --key FILE, --password-stdin or --password-file FILE")
	case !f.passwordStdin && f.key == "" && f.passwordFile == "":
		return finding(tunnel.Required, ways[0], "no file is named", "give "+ways[0]+" FILE")
	}
	return nil
}

func (f *loginFlags) readKey(a *app) (control.LoginInput, error) {
	in := control.LoginInput{Login: string(tunnel.LoginKey)}
	if f.key == ownKey {
		return in, nil
	}
	pem, err := readFile("--key", f.key)
	if err != nil {
		return in, err
	}
	if !utf8.ValidString(pem) {
		return in, tunnel.Findings{{Code: tunnel.Malformed, Field: "--key", Value: tunnel.Clean(f.key, 200), Message: tunnel.Clean(f.key, 200) + " is no text: its bytes are not UTF-8",
			WayOut: "give a private key in PEM form; ssh-keygen -p -f FILE writes one"}}
	}
	in.PrivateKey = pem
	if f.passphraseStdin {
		in.Passphrase, err = a.stdinSecret("--passphrase-stdin", "Passphrase of "+f.key)
	}
	return in, err
}

func (f *loginFlags) readPassword(a *app) (string, error) {
	if f.passwordStdin {
		return a.stdinSecret("--password-stdin", "Password")
	}
	s, err := readFile("--password-file", f.passwordFile)
	if err != nil {
		return "", err
	}
	return secretLine("--password-file", s)
}

// loginFor is what a password is asked for with.
func loginFor(s tunnel.Server) string { return fmt.Sprintf("Password of %s at %s", s.User, s.Host) }
