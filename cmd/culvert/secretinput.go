package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxSecret bounds what is read as a password or key.
const maxSecret = 64 << 10

// stdinSecret reads one secret from standard input: typed without echo where that is a terminal.
func (a *app) stdinSecret(flag, prompt string) (string, error) {
	if terminal(a.in) {
		return a.prompt(prompt)
	}
	s, err := a.stdinText(flag)
	if err != nil {
		return "", err
	}
	return secretLine(flag, s)
}

func (a *app) stdinText(flag string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(a.in, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if len(b) > maxSecret {
		return "", tooLong(flag, "standard input")
	}
	return string(b), nil
}

// stdinSetting reads a secret of a module's settings from standard input: it may have lines.
func (a *app) stdinSetting(flag, key string) (string, error) {
	if terminal(a.in) {
		return a.prompt(key)
	}
	s, err := a.stdinText(flag)
	if err != nil {
		return "", err
	}
	return secretText(flag, s)
}

// secretText is the secret in what was read, where it may be of several lines, like a private key in PEM: these are kept as
// they are, with the line ends of Unix. Which setting may have lines, the host knows.
func secretText(from, s string) (string, error) {
	if line := firstLine(s); !strings.Contains(line, "\n") {
		return secretLine(from, s)
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return s, tunnel.CheckSecretText(from, s).Err()
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
	if len(bytes.Trim(b, "\r\n")) == 0 {
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
