package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/template"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func templateCommand(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "template",
		Short:   "Show the mappings of well-known services",
		Example: "  culvert template list",
	})
	cmd.AddCommand(templateListCommand(a))
	return cmd
}

func templateListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the templates that culvert tunnel add and set take",
		Long: `List the templates that culvert tunnel add and set take, with the ports they
propose: LOCAL is a port of the telephone system, REMOTE one of the site. Where
KIND names two, the second lets hosts connected to that side in too.

` + templateHelp,
		Example: "  culvert template list\n  culvert template list -o json",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.daemon.Templates(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(all, func() { a.templateTables(all) })
		},
	}
}

// templateTables has one table a group, so that the sentence above says which way the ports lead.
func (a *app) templateTables(all []template.Template) {
	for i, g := range []template.Group{template.PBX, template.Site} {
		var rows [][]string
		for _, t := range all {
			if t.Group == g {
				rows = append(rows, templateRows(t)...)
			}
		}
		if i > 0 {
			a.say("")
		}
		a.say("%s:", clean(g.Title()))
		a.table([]string{"TEMPLATE", "KIND", "LOCAL", "REMOTE", "TITLE", "MESSAGE"}, rows)
	}
}

// templateRows has one line a mapping.
func templateRows(t template.Template) (rows [][]string) {
	for i, p := range t.Ports {
		row := []string{"", "", fmt.Sprint(p.Local), fmt.Sprint(p.Remote), "", ""}
		if i == 0 {
			row[0], row[1], row[4], row[5] = t.ID, kindWords(t.Kinds), t.Title, templateNotes(t)
		}
		rows = append(rows, row)
	}
	return rows
}

func kindWords(kinds []tunnel.Kind) string {
	if len(kinds) > 1 {
		return string(kinds[0]) + ", :gateway"
	}
	return string(kinds[0])
}

func templateNotes(t template.Template) string {
	var notes []string
	if t.UDPPart {
		notes = append(notes, "TCP part only, no UDP")
	}
	if t.ExposesLAN {
		notes = append(notes, "leads into the PBX's network")
	}
	return strings.Join(append(notes, t.Notes...), "; ")
}
