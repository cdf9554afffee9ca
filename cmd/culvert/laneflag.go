package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// laneFlag is --lane NAME=bulk, for any number of mappings.
type laneFlag struct {
	given []string
}

func (f *laneFlag) register(a *app, cmd *cobra.Command, given func() []string) {
	cmd.Flags().StringArrayVar(&f.given, "lane", nil, "NAME=bulk has the mapping carried by a second link of the tunnel, so that it\ndoes not delay the others; NAME=main takes that back (again for more)")
	_ = cmd.RegisterFlagCompletionFunc("lane", func(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.completeLanes(cmd, args, given())
	})
}

// read reads the flags; every finding names its own.
func (f *laneFlag) read() (control.LanesInput, tunnel.Findings) {
	var fs tunnel.Findings
	var lanes control.LanesInput
	for _, text := range f.given {
		name, lane, ok := strings.Cut(text, "=")
		at := "--lane " + tunnel.Clean(text, 80)
		var more tunnel.Findings
		switch _, twice := lanes[name]; {
		case !ok || lane == "":
			more = tunnel.Findings{{Code: tunnel.Malformed, Message: "it is not NAME=bulk or NAME=main", WayOut: "name a mapping and the link that shall carry it"}}
		case twice:
			more = tunnel.Findings{{Code: tunnel.Malformed, Message: "the mapping " + tunnel.Clean(name, tunnel.MaxName) + " has two lanes", WayOut: "give one of them"}}
		default:
			_, more = tunnel.ParseLane(lane)
			more = append(more, tunnel.CheckName(name, tunnel.MaxName)...)
		}
		fs = append(fs, more.At(at)...)
		if lanes == nil {
			lanes = control.LanesInput{}
		}
		lanes[name] = lane
	}
	return lanes, fs
}
