package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxDocument bounds a file of settings.
const maxDocument = 512 << 10

// settingsFlags are the ways to give settings.
type settingsFlags struct {
	set         []string
	file        string
	secretStdin string
	secretFiles []string
}

// register adds the flags; keys and secrets offer what may stand behind --set and --secret-stdin.
func (f *settingsFlags) register(cmd *cobra.Command, keys, secrets cobra.CompletionFunc) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "KEY=VALUE, like an argument (again for more)")
	cmd.Flags().StringVar(&f.file, "file", "", "all settings as a JSON document in this file (- is standard input); *** keeps a secret")
	cmd.Flags().StringVar(&f.secretStdin, "secret-stdin", "", "the value of this KEY is on standard input")
	cmd.Flags().StringArrayVar(&f.secretFiles, "secret-file", nil, "KEY=FILE: the value of KEY is in this file, a key in PEM too (again for more)")
	_ = cmd.RegisterFlagCompletionFunc("set", keys)
	_ = cmd.RegisterFlagCompletionFunc("secret-stdin", secrets)
}

// read collects the settings; args are KEY=VALUE too.
func (f *settingsFlags) read(a *app, args []string) (control.SettingsInput, error) {
	var in control.SettingsInput
	var fs tunnel.Findings
	for _, s := range append(args, f.set...) {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "KEY=VALUE", Value: tunnel.Clean(s, 80),
				Message: fmt.Sprintf("%q is not KEY=VALUE", tunnel.Clean(s, 80)), WayOut: "write it like site.server=pbx@office.example.org"})
			continue
		}
		in.Set = append(in.Set, control.Setting{Key: key, Value: value})
	}
	if f.file == "-" && f.secretStdin != "" {
		fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "--secret-stdin", Message: "standard input cannot be both settings and a secret",
			WayOut: "give the settings as a file"})
	}
	if fs = append(fs, f.checkSecretFiles()...); len(fs) > 0 {
		return in, fs
	}
	if err := f.readDocument(a, &in); err != nil {
		return in, err
	}
	if err := f.readSecretFiles(&in); err != nil {
		return in, err
	}
	if f.secretStdin != "" {
		secret, err := a.stdinSetting("--secret-stdin", f.secretStdin)
		if err != nil {
			return in, err
		}
		in.Set = append(in.Set, control.Setting{Key: f.secretStdin, Value: secret})
	}
	return in, nil
}

// checkSecretFiles says which --secret-file is not KEY=FILE.
func (f *settingsFlags) checkSecretFiles() (fs tunnel.Findings) {
	for _, s := range f.secretFiles {
		if key, file, _ := strings.Cut(s, "="); key == "" || file == "" {
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "--secret-file", Value: tunnel.Clean(s, 80),
				Message: fmt.Sprintf("%q is not KEY=FILE", tunnel.Clean(s, 80)), WayOut: "write it like site.password=/root/password"})
		}
	}
	return fs
}

// readSecretFiles takes what each file holds, without the line end behind a password.
func (f *settingsFlags) readSecretFiles(in *control.SettingsInput) error {
	for _, s := range f.secretFiles {
		key, name, _ := strings.Cut(s, "=")
		text, err := readFile("--secret-file", name)
		if err == nil {
			text, err = secretText("--secret-file", text)
		}
		if err != nil {
			return err
		}
		in.Set = append(in.Set, control.Setting{Key: key, Value: text})
	}
	return nil
}

func (f *settingsFlags) readDocument(a *app, in *control.SettingsInput) error {
	if f.file == "" {
		return nil
	}
	src := a.in
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return unreadable("--file", f.file, err)
		}
		defer file.Close()
		src = file
	}
	b, err := io.ReadAll(io.LimitReader(src, maxDocument+1))
	if err != nil {
		return unreadable("--file", f.file, err)
	}
	return f.takeDocument(b, in)
}

// takeDocument checks that b is JSON, so that a mistake is named with its place in the file.
func (f *settingsFlags) takeDocument(b []byte, in *control.SettingsInput) error {
	finding := func(code tunnel.Code, message, wayOut string) error {
		return tunnel.Findings{{Code: code, Field: "--file", Value: tunnel.Clean(f.file, 200), Message: message, WayOut: wayOut}}
	}
	if len(b) > maxDocument {
		return finding(tunnel.TooLong, "the settings have more than 512 KiB", "settings are far shorter")
	}
	if !utf8.Valid(b) {
		return tunnel.Findings{notUTF8("--file")}
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(b, &doc); err != nil || doc == nil {
		return finding(tunnel.Malformed, tunnel.Clean(f.file, 200)+" is not a JSON object"+jsonPlace(b, err), `write {"KEY": VALUE, ...}`)
	}
	in.Settings = b
	return nil
}

// jsonPlace says where a text ceases to be JSON, where it does.
func jsonPlace(text []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return ""
	}
	line := 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	return fmt.Sprintf(": line %d: %v", line, syntax)
}

// atLeast makes names the arguments that cmd takes at least.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if hint := strayWait(cmd, args); hint != "" {
			return usage("--wait takes its time behind =", hint)
		}
		return needs(names...)(cmd, args[:min(len(args), len(names))])
	}
}

// completeConfigOwners offers MODULE/ for a new configuration's name.
func (a *app) completeConfigOwners(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	found, directive := a.completeModule(cmd, args, text)
	for i, c := range found {
		name, _, _ := strings.Cut(c, "\t")
		found[i] = name + "/"
	}
	return found, directive | cobra.ShellCompDirectiveNoSpace
}
