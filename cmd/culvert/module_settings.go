package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func moduleSettingsCommand(a *app) *cobra.Command {
	return onModule(a, &cobra.Command{
		Use:   "settings NAME",
		Short: "What a module's configurations may set, and which mappings they may have",
		Long: `What a module's configurations may set (culvert config set), with defaults and
limits; the slots of its sites with their kinds and ports; and which further
mappings a tunnel of its name may have. In JSON, schema is the JSON Schema of a
document of settings.`,
		Example: "  culvert module settings monitoring\n  culvert module settings monitoring -o json",
	}, func(cmd *cobra.Command, name tunnel.Owner) error {
		m, err := a.daemon.ModuleSettings(cmd.Context(), name)
		if err != nil {
			return err
		}
		return a.show(m, func() { a.settingsPage(m) })
	})
}

func (a *app) settingsPage(m control.ModuleSettings) {
	if len(m.Keys) == 0 {
		a.say("%s has no settings.", clean(m.Name))
	} else {
		a.table([]string{"KEY", "TYPE", "DEFAULT", "LIMITS", "NEEDED", "TITLE"}, keyRows(m.Keys))
	}
	if slices.ContainsFunc(m.Keys, func(k settings.Key) bool { return k.Slot != "" }) {
		a.say("\nEach site has, for each of its slots: slots.SLOT.on, .kind, .spec and .lane.")
	}
	if len(m.Slots) > 0 {
		a.say("")
		a.table([]string{"SLOT", "DEFAULT", "ON", "KINDS", "PORTS", "TITLE"}, slotRows(m.Slots))
	}
	a.say("\nMappings: %s.", clean(policyText(m.Policy)))
}

func keyRows(keys []settings.Key) (rows [][]string) {
	for _, k := range keys {
		if k.Slot != "" {
			continue
		}
		limits := k.Limits
		if len(k.Enum) > 0 {
			limits = strings.Join(k.Enum, " ")
		}
		needed := ""
		if k.Required {
			needed = "yes"
		}
		rows = append(rows, []string{k.Key, k.Type, orDash(k.Default), orDash(limits), needed, k.Title})
	}
	return rows
}

func slotRows(slots []tunnel.Slot) (rows [][]string) {
	for _, s := range slots {
		ports := strings.TrimPrefix(portsText(s.Ports), " of ports ")
		rows = append(rows, []string{s.Name, s.Spec, yesNo(s.On), strings.Join(kindTexts(s.Kinds), " "), orDash(ports), s.Title})
	}
	return rows
}
