package main

import (
	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func moduleRestartCommand(a *app) *cobra.Command {
	return onModule(a, &cobra.Command{
		Use:     "restart NAME",
		Short:   "End a module's process and start it again; its tunnels stay up",
		Example: "  culvert module restart monitoring",
	}, func(cmd *cobra.Command, name tunnel.Owner) error {
		if err := a.daemon.RestartModule(cmd.Context(), name); err != nil {
			return err
		}
		return a.done("module", string(name), "restarted")
	})
}

func moduleAcceptCommand(a *app) *cobra.Command {
	var unsandboxed bool
	cmd := onModule(a, &cobra.Command{
		Use:   "accept NAME",
		Short: "Accept the binary that is installed now under a module's name",
		Long: `Accept the binary that is installed now under a module's name. The first binary
that described itself is remembered by its checksum; another one of the same
name waits for this command, while the accepted one runs on, and after a restart
of the daemon from the copy of it that was kept. Before that nothing of the
other one is executed: module show tells its checksum, size, owner and time, to
be compared with what was meant to be installed. Accepting starts it to describe
itself, shows what changes, and remembers it. It grants nothing: what another
version asks for beyond the former is shown, with the line that gives it.

Where nothing on this machine confines modules, one runs only after accept
--unsandboxed: it can then do whatever the daemon's user can.`,
		Example: "  culvert module show monitoring\n  culvert module accept monitoring",
	}, func(cmd *cobra.Command, name tunnel.Owner) error {
		acc, err := a.daemon.AcceptModule(cmd.Context(), name, unsandboxed)
		if err != nil {
			return err
		}
		return a.show(acc, func() { a.acceptance(acc) })
	})
	cmd.Flags().BoolVar(&unsandboxed, "unsandboxed", false, "let it run although nothing on this machine confines it")
	return cmd
}

// acceptance shows what changed, side by side.
func (a *app) acceptance(acc control.Acceptance) {
	a.say("%s accepted", clean(acc.Name))
	before, after := faceRows(acc.Before), faceRows(acc.After)
	var rows [][]string
	for i := range before {
		mark := ""
		if before[i][1] != after[i][1] {
			mark = "*"
		}
		rows = append(rows, []string{before[i][0], before[i][1], after[i][1], mark})
	}
	a.table([]string{"", "BEFORE", "NOW", ""}, rows)
	a.differences(acc)
	a.grantsPage(acc.Name, acc.Grants)
}

// differences shows which settings are new, gone or otherwise than before, where there was a binary before.
func (a *app) differences(acc control.Acceptance) {
	if len(acc.Settings) == 0 || acc.Before.SHA256 == "" {
		return
	}
	a.say("\nSettings that change:")
	var rows [][]string
	for _, d := range acc.Settings {
		before, after := d.Before, d.After
		if before == "" {
			before = "(new)"
		}
		if after == "" {
			after = "(gone)"
		}
		rows = append(rows, []string{d.Key, before, after})
	}
	a.table([]string{"KEY", "BEFORE", "NOW"}, rows)
}

func moduleLogCommand(a *app) *cobra.Command {
	var follow bool
	cmd := onModule(a, &cobra.Command{
		Use:     "log NAME",
		Short:   "What a module wrote, oldest first",
		Example: "  culvert module log monitoring -f",
	}, func(cmd *cobra.Command, name tunnel.Owner) error {
		for l, err := range a.daemon.ModuleLog(cmd.Context(), name, follow) {
			if err != nil && cmd.Context().Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if err := a.logLine(l); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}

func (a *app) logLine(l control.Line) error {
	if a.json() {
		return a.line(l)
	}
	a.say("%s", tunnel.Clean(l.Line, 8<<10))
	return nil
}
