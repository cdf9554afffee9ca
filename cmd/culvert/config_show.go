package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func configListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the configurations of all modules",
		Example: "  culvert config list\n  culvert config list -o json",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.daemon.Configurations(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(all, func() { a.configTable(all) })
		},
	}
}

func (a *app) configTable(all []control.Configuration) {
	if len(all) == 0 {
		a.say("There are no configurations. culvert module list shows the modules; culvert config add MODULE/NAME adds one.")
		return
	}
	var rows [][]string
	for _, c := range all {
		rows = append(rows, []string{c.Ref(), yesNo(c.Enabled), c.State, orDash(deref(c.Reason)), c.Message})
	}
	a.table([]string{"CONFIGURATION", "ENABLED", "STATE", "REASON", "MESSAGE"}, rows)
}

func configShowCommand(a *app) *cobra.Command {
	return onConfiguration(a, &cobra.Command{
		Use:     "show " + configArg,
		Short:   "Show one configuration with its settings; secrets show as ***",
		Example: "  culvert config show monitoring/default",
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, _ []string) error {
		c, err := a.daemon.Configuration(cmd.Context(), ref)
		if err != nil {
			return err
		}
		a.warn(c.Warnings)
		return a.show(c, func() { a.configPage(c) })
	})
}

func (a *app) configPage(c control.ConfigurationDetail) {
	rows := [][]string{{"configuration", c.Ref()}, {"enabled", yesNo(c.Enabled)}, {"state", c.State}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("reason", deref(c.Reason))
	add("message", c.Message)
	add("revision", strconv.FormatUint(c.Revision, 10))
	add("tunnels", orDash(strings.Join(c.Tunnels, " ")))
	a.table(nil, rows)
	a.say("\nsettings:")
	var b bytes.Buffer
	if json.Indent(&b, c.Settings, "", "  ") == nil {
		a.say("%s", escapeJSON(b.String()))
	}
	if len(c.Defaults) == 0 {
		return
	}
	a.say("\ndefaults, where nothing is set:")
	rows = nil
	for _, d := range c.Defaults {
		rows = append(rows, []string{"  " + d.Key, escapeJSON(string(d.Value))})
	}
	a.table(nil, rows)
}
