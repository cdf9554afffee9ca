package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/cmd/culvert/skeleton"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// installedPlugins is the daemon's default plugin directory.
const installedPlugins = "/usr/lib/culvert/plugins"

// newModule is what was made and how to go on, as JSON has it.
type newModule struct {
	Name     string   `json:"name"`
	Dir      string   `json:"dir"`
	Module   string   `json:"module"`
	SDK      *string  `json:"sdk"`     // its directory, null where it comes from the network
	Version  string   `json:"version"` // that go.mod requires
	Commands []string `json:"commands"`
	Warnings []string `json:"warnings"`
}

func moduleNewCommand(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a module of your own, with its test",
		Long: `Begin a module of your own: the directory NAME is made here, with a program that
builds, does something and has a test. No daemon is needed, only Go.

The SDK is taken from --sdk, a clone of Culvert; else from the clone that this
program stands in; else from ` + skeleton.Installed + `; else go.mod requires the
version of this program, which must have been published.`,
		Example: "  culvert module new greeter\n  culvert module new greeter --sdk ~/src/culvert",
		Args:    needs("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if fs := moduleName(args[0]); len(fs) > 0 {
				return fs.At("NAME")
			}
			return a.newModule(args[0], dir)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&dir, "sdk", "", "take the SDK from `DIR`, a clone of Culvert")
	_ = cmd.MarkFlagDirname("sdk")
	return cmd
}

// moduleName says what is wrong with a name for a module.
func moduleName(name string) tunnel.Findings {
	if tunnel.Owner(name) == tunnel.Operator {
		return tunnel.Findings{{
			Code: tunnel.Malformed, Value: name, Message: "operator is the operator's name and no module's", WayOut: "choose another one",
		}}
	}
	return tunnel.CheckName(name, tunnel.MaxName)
}

func (a *app) newModule(name, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sdk, err := findSDK(dir, self)
	if err != nil {
		return err
	}
	if err := skeleton.Write(name, name, sdk); err != nil {
		return notMade(name, err)
	}
	m := newModule{
		Name: name, Dir: name, Module: skeleton.Path(name), Version: sdk.Version,
		Commands: nextCommands(name, sdk.Complete(), pluginsBeside(self)), Warnings: []string{},
	}
	if sdk.Dir != "" {
		m.SDK = &sdk.Dir
	} else {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s/go.mod requires %s %s, which must have been published: name a clone of Culvert with --sdk where it is not", name, skeleton.SDKPath, sdk.Version))
	}
	a.warn(m.Warnings)
	return a.show(m, func() { a.newModulePage(m) })
}

// newModulePage ends with the commands that follow, to be pasted.
func (a *app) newModulePage(m newModule) {
	from := "from the network"
	if m.SDK != nil {
		from = "from " + clean(*m.SDK)
	}
	a.say("%s made: module %s, the SDK %s", m.Dir, m.Module, from)
	a.say("These commands test it and put it into the plugin directory, where the daemon finds it within 5 s;")
	a.say("then culvert config add %s/default site.server=USER@HOST has it run:\n", m.Name)
	for _, c := range m.Commands {
		a.say("%s", cleanLine(c))
	}
}

// findSDK is the SDK for a new module: dir where that is named, else the clone that the program self stands in, else the
// installed one, else the published one of this version.
func findSDK(dir, self string) (skeleton.SDK, error) {
	if dir != "" {
		sdk, err := skeleton.At(dir)
		if err != nil {
			return sdk, usage("--sdk: "+err.Error(), "name a clone of Culvert: the directory that holds its go.mod and sdk")
		}
		return sdk, nil
	}
	if clone, ok := skeleton.Around(self); ok {
		return skeleton.At(clone)
	}
	if sdk, err := skeleton.At(skeleton.Installed); err == nil {
		return sdk, nil
	}
	return skeleton.Published(version()), nil
}

// notMade is why there is no new module.
func notMade(name string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &failure{exitRefused, name + " exists here already", "choose another name, or remove it first"}
	}
	return &failure{exitFailed, fmt.Sprintf("%s cannot be made here: %v", name, err), "go to a directory that you may write to, with room on its disk"}
}

// pluginsBeside is the plugin directory that belongs to the program self: what `task build` makes lies beside it.
func pluginsBeside(self string) string {
	dir := filepath.Join(filepath.Dir(self), "plugins")
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir
	}
	return installedPlugins
}

// nextCommands are the three commands that follow, as a shell takes them. install, unlike go build, has the mode right
// whatever the umask is: the daemon takes no binary that others can write.
func nextCommands(name string, complete bool, plugins string) []string {
	enter, sudo := "cd "+name, ""
	if !complete {
		enter += " && go mod tidy"
	}
	if plugins == installedPlugins && os.Geteuid() != 0 {
		sudo = "sudo "
	}
	to := shellWord(filepath.Join(plugins, name))
	return []string{enter, "go test ./...", fmt.Sprintf("go build -o %s . && %sinstall -D -m 755 %s %s", name, sudo, name, to)}
}

// shellWord is s as one word of a shell.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
