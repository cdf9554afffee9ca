package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func moduleGrantCommand(a *app) *cobra.Command {
	return onGrant(a, false, &cobra.Command{
		Use:   "grant NAME GRANT",
		Short: "Give a module a right that it asks for",
		Long: `Give a module a right that it asks for. A module is confined: it sees its own
directory, its tunnels and nothing else of this machine. What it needs beyond
that it asks for, and gets when this command says so, for all of its
configurations. culvert module show tells in words what each grant lets it do.

GRANT is one of: dial PORT, serve PORT (ports of this machine's loopback), read
PATH, write PATH, programs, network. The module's process, where one runs, is
ended and started anew with it; tunnels are not touched. Where nothing can be
started, because another binary lies in place of the accepted one and no copy of
that is left, the process that runs goes on without it, and the command says so.`,
		Example: "  culvert module show notify\n  culvert module grant notify network",
	}, func(ctx context.Context, name tunnel.Owner, g tunnel.Grant) (control.Regrant, error) {
		return a.daemon.GrantModule(ctx, name, g)
	})
}

func moduleRevokeCommand(a *app) *cobra.Command {
	return onGrant(a, true, &cobra.Command{
		Use:   "revoke NAME GRANT",
		Short: "Take a right back from a module",
		Long: `Take a right back from a module. Its process is ended at once, and has ended
when the command returns. It is started anew without the right, unless nothing
can be started, because the file is gone, or another one lies there and no copy
of the accepted one is left: then the module stands still until that is settled,
and the command says what hinders it. Tunnels are not touched.

GRANT is what culvert module show tells it has; or unsandboxed, which takes back
what culvert module accept --unsandboxed gave: where nothing on this machine
confines modules, it runs no more.`,
		Example: "  culvert module show notify\n  culvert module revoke notify network\n  culvert module revoke notify unsandboxed",
	}, func(ctx context.Context, name tunnel.Owner, g tunnel.Grant) (control.Regrant, error) {
		return a.daemon.RevokeModule(ctx, name, g)
	})
}

// onGrant makes cmd change one grant of one module. A grant of two words may be given as one argument, too.
func onGrant(a *app, less bool, cmd *cobra.Command, change func(context.Context, tunnel.Owner, tunnel.Grant) (control.Regrant, error)) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 3 {
			args = args[:2]
		}
		return needs("NAME", "GRANT")(cmd, args)
	}
	cmd.ValidArgsFunction = a.completeGrant(less)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		right, fs := parseGrant(strings.Join(args[1:], " "), less)
		fs = append(tunnel.CheckName(args[0], tunnel.MaxName).At("NAME"), fs.At("GRANT")...)
		if len(fs) > 0 {
			return fs
		}
		g := right.Grant()
		done, err := change(cmd.Context(), tunnel.Owner(args[0]), g)
		if err != nil {
			return err
		}
		a.warn(done.Warnings)
		return a.show(done, func() { a.regranted(done, right, less) })
	}
	return cmd
}

// parseGrant reads a grant, or what else revoke takes back.
func parseGrant(text string, less bool) (tunnel.Right, tunnel.Findings) {
	if less && text == string(control.Unsandboxed) {
		return tunnel.Right{Kind: tunnel.GrantKind(text)}, nil
	}
	return tunnel.ParseGrant(tunnel.Grant(text))
}

// regranted says what was changed, in words, and what became of the process; where that leaves something to do, the
// warning has said it.
func (a *app) regranted(done control.Regrant, right tunnel.Right, less bool) {
	if less {
		a.say("%s: %s taken back", clean(done.Name), clean(string(right.Grant())))
	} else {
		a.say("%s: %s granted\n%s", clean(done.Name), clean(string(right.Grant())), right.Words())
	}
	if done.Message != "" && done.Remedy == "" {
		a.say("%s", clean(done.Message))
	}
}

// grantRows say what a module asks for, in words, and whether it was given.
func grantRows(grants []control.Grant) [][]string {
	var rows [][]string
	for _, g := range grants {
		state := "not granted"
		if g.Granted {
			state = "granted"
		}
		rows = append(rows, []string{g.Grant, state, g.Words})
	}
	return rows
}

// grantsPage shows what a module asks for, and the lines that would give it the rest.
func (a *app) grantsPage(name string, grants []control.Grant) {
	if len(grants) == 0 {
		return
	}
	a.say("\nIt asks for:")
	a.table([]string{"GRANT", "", "WHAT IT LETS THE MODULE DO"}, grantRows(grants))
	for _, g := range grants {
		if !g.Granted {
			a.say("to grant it: %s", cleanLine(tunnel.GrantLine(tunnel.Owner(name), tunnel.Grant(g.Grant))))
		}
	}
}

// completeGrant offers modules, then what the module asks for and has not, or with less what it has.
func (a *app) completeGrant(less bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return a.completeModule(cmd, args, text)
		case 1, 2:
			return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
				m, err := c.Module(ctx, tunnel.Owner(args[0]))
				for _, g := range m.Grants {
					if g.Granted != less {
						continue
					}
					words := strings.Fields(clean(g.Grant))
					if at := len(args) - 1; at < len(words) && (at == 0 || args[1] == words[0]) {
						out = append(out, cobra.CompletionWithDesc(words[at], clean(g.Words)))
					}
				}
				return out, err
			})
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}
