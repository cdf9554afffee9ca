package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// cobraCommands adds the commands that cobra brings, made to say when they do not know a name, as ours do.
func cobraCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			group(cmd)
		case "help":
			cmd.Run, cmd.RunE = nil, help
		}
	}
}

// help shows the help of the command that args name.
func help(cmd *cobra.Command, args []string) error {
	of, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usage(fmt.Sprintf("there is no help on %q", clean(args[len(args)-max(len(rest), 1)])), "culvert --help shows what there is")
	}
	of.InitDefaultHelpFlag()
	of.InitDefaultVersionFlag()
	return of.Help()
}
