package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
)

// maxSocket is how many bytes Linux has for the path of a socket.
const maxSocket = 107

const defaultSocket = "/run/culvert/culvert.sock"

// newRoot is the whole command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "culvert",
		Short: "Tunnels of a telephone system: see, add and change them",
		Long: `culvert asks the daemon culvertd for everything: the tunnels of all modules and
of the operator, the modules and their configurations, what happened and what
to do about it.

Exit codes: 0 fine; 1 failed, or what is named is not there; 2 wrong in itself;
3 not up, or a check failed; 4 right, but refused by the present state; 5 no
daemon answers.

With -o json each line of standard error is a JSON value: {"warning": TEXT},
{"note": TEXT} for what is only told, and the error as the daemon's API has it,
with code, message, hint and findings.`,
		Example: `  culvert status
  culvert tunnel add operator/office --server pbx@example.org --key host --expose 443:8443
  culvert tunnel why operator/office
  culvert tunnel list --watch`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: a.connect,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	group(root)
	socket := os.Getenv("CULVERT_SOCKET")
	if socket == "" {
		socket = defaultSocket
	}
	root.PersistentFlags().StringVar(&a.socket, "socket", socket, "control socket of the daemon (or CULVERT_SOCKET)")
	root.PersistentFlags().StringVarP(&a.format, "output", "o", "table", "table or json; with json standard error is JSON too, one value a line")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(statusCommand(a), tunnelCommand(a), templateCommand(a), checkCommand(a), moduleCommand(a), configCommand(a), actionCommand(a), jobCommand(a), keyCommand(a), eventsCommand(a))
	root.SetFlagErrorFunc(badFlag)
	cobraCommands(root)
	onlyOnce(root)
	return root
}

// connect is done before every command, once its line is understood.
func (a *app) connect(cmd *cobra.Command, args []string) error {
	if a.format != "table" && a.format != "json" {
		return usage(fmt.Sprintf("--output: %q is not a format", clean(a.format)), "use table or json")
	}
	if n := len(a.socket); n == 0 || n > maxSocket {
		return usage(fmt.Sprintf("--socket: the path has %d bytes; that of a socket has 1 to %d", n, maxSocket), "name the daemon's with --socket or CULVERT_SOCKET")
	}
	a.parsed = true
	if err := checkText(cmd, args); err != nil {
		return err
	}
	a.daemon = control.NewClient(a.socket)
	a.daemon.Warn = func(warning string) { a.warn([]string{warning}) }
	return nil
}

// disconnect lets go of the daemon, if there was any need of one.
func (a *app) disconnect() {
	if a.daemon != nil {
		a.daemon.Close()
	}
}

// group makes cmd a command that only holds others: bare it shows its help, and a name it does not know is wrong.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := cmd.CommandPath() + " --help shows what there is"
		if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
			hint = "did you mean " + cmd.CommandPath() + " " + like[0] + "?"
		}
		return usage(fmt.Sprintf("%s has no command %q", cmd.CommandPath(), clean(args[0])), hint)
	}
	return cmd
}

// needsAtMost makes name an argument that cmd takes once or not at all.
func needsAtMost(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return needs(name)(cmd, args)
	}
}

// needs makes names the arguments that cmd takes, each exactly once.
func needs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "usage: " + cmd.UseLine()
		if len(args) < len(names) {
			return usage(names[len(args)]+" is missing", hint)
		}
		if len(args) > len(names) {
			if wait := strayWait(cmd, args); wait != "" {
				hint = wait
			}
			return usage(fmt.Sprintf("%q is one argument too many", clean(args[len(names)])), hint)
		}
		return nil
	}
}
