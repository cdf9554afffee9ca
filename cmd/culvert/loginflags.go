package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxSecret bounds what is read as a password or key.
const maxSecret = 64 << 10

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

// stdinSecret reads one secret from standard input: typed without echo where that is a terminal.
func (a *app) stdinSecret(flag, prompt string) (string, error) {
	if terminal(a.in) {
		return a.prompt(prompt)
	}
	b, err := io.ReadAll(io.LimitReader(a.in, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if len(b) > maxSecret {
		return "", tooLong(flag, "standard input")
	}
	return secretLine(flag, string(b))
}

// secretLine is the secret in what was read, which is named like where it came from.
func secretLine(from, s string) (string, error) {
	s = firstLine(s)
	return s, tunnel.CheckSecret(from, s).Err()
}

// prompt asks for a secret without echo.
func (a *app) prompt(prompt string) (string, error) {
	f, ok := a.in.(*os.File)
	if !ok {
		return "", errors.New("there is no terminal to ask on")
	}
	fmt.Fprintf(a.errOut, "%s: ", clean(prompt))
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.errOut)
	if err != nil {
		return "", err
	}
	return secretLine("what was typed", string(b))
}

// readFile reads a file named on the command line.
func readFile(flag, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", unreadable(flag, name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", unreadable(flag, name, err)
	}
	if len(b) > maxSecret {
		return "", tooLong(flag, name)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return "", tunnel.Findings{{Code: tunnel.Required, Field: flag, Value: tunnel.Clean(name, 200),
			Message: tunnel.Clean(name, 200) + " is empty", WayOut: "name the file that holds it"}}
	}
	return string(b), nil
}

func unreadable(flag, name string, err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return tunnel.Findings{{Code: tunnel.Malformed, Field: flag, Value: tunnel.Clean(name, 200),
		Message: fmt.Sprintf("%s cannot be read: %v", tunnel.Clean(name, 200), err), WayOut: "name a file that you may read"}}
}

func tooLong(flag, name string) error {
	return tunnel.Findings{{Code: tunnel.TooLong, Field: flag, Value: tunnel.Clean(name, 200),
		Message: fmt.Sprintf("%s holds more than 64 KiB", tunnel.Clean(name, 200)), WayOut: "a password or key is far shorter"}}
}

// firstLine drops the line end that editors and echo leave behind a secret, and nothing else.
func firstLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return strings.TrimSuffix(s, "\r")
}

// loginFor is what a password is asked for with.
func loginFor(s tunnel.Server) string { return fmt.Sprintf("Password of %s at %s", s.User, s.Host) }
