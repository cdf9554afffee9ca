package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelExplainCommand(a *app) *cobra.Command {
	return onTunnel(a, &cobra.Command{
		Use:   "explain " + tunnelArg,
		Short: "Say in full sentences what a tunnel and each of its mappings mean",
		Long: `Say in full sentences what a tunnel and each of its mappings mean: who may
connect, through which port, and to what. It tells what is set up, not how it is
right now (culvert tunnel show and why do). What lets third parties in is marked
with !.`,
		Example: "  culvert tunnel explain operator/office\n  culvert tunnel explain operator/office -o json",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		e, err := a.daemon.ExplainTunnel(cmd.Context(), ref)
		if err != nil {
			return err
		}
		return a.show(e, func() { a.explainPage(e) })
	})
}

func (a *app) explainPage(e control.Explanation) {
	a.say("%s: %s", clean(e.Ref()), clean(e.Sentence))
	if len(e.Mappings) == 0 {
		a.say("It has no mappings: nobody uses it.")
		return
	}
	var rows [][]string
	for _, m := range e.Mappings {
		mark := ""
		if m.Gateway {
			mark = "!"
		}
		rows = append(rows, []string{mark, m.Name, m.Kind, m.Sentence})
	}
	a.say("")
	a.table([]string{"", "MAPPING", "KIND", "MESSAGE"}, rows)
	if slices.ContainsFunc(e.Mappings, func(m control.ExplainedMapping) bool { return m.Gateway }) {
		a.say("\n! third parties get access: hosts beside the PBX or beside the SSH server.")
	}
}
