package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const mappingHelp = `A mapping is [NAME=]SPEC, written local side first; local is the telephone
system, remote the site:
  --reach [LPORT]:[TARGET:]RPORT   through LPORT this machine reaches RPORT of
                                   the SSH server, or of TARGET behind it
  --reach-gateway LPORT:...        hosts connected to this machine do so too
  --expose [HOST:]LPORT:RPORT      through its RPORT the SSH server reaches
                                   LPORT here, or at HOST beside us
  --expose-gateway ...             hosts connected to the SSH server do so too
Without LPORT a mapping is private: only the module that owns the tunnel uses
it.`

// mappingFlags are --reach, --reach-gateway, --expose and --expose-gateway, in the order they were given.
type mappingFlags struct {
	list []control.MappingInput
}

func (f *mappingFlags) register(cmd *cobra.Command) {
	for kind, help := range map[tunnel.Kind]string{
		tunnel.Reach:         "this machine reaches a port of the site",
		tunnel.ReachGateway:  "so do hosts connected to this machine",
		tunnel.Expose:        "the SSH server reaches a port here",
		tunnel.ExposeGateway: "so do hosts connected to the SSH server",
	} {
		cmd.Flags().Var(mappingFlag{kind, f}, string(kind), help+" (again for more)")
		_ = cmd.RegisterFlagCompletionFunc(string(kind), cobra.NoFileCompletions)
	}
}

// check returns what is wrong with all of them, each naming its flag.
func (f *mappingFlags) check() tunnel.Findings {
	var fs tunnel.Findings
	for _, m := range f.list {
		_, more := tunnel.ParseMapping(tunnel.Kind(m.Kind), m.Mapping)
		fs = append(fs, more.At("--"+m.Kind+" "+tunnel.Clean(m.Mapping, 80))...)
	}
	return fs
}

// names are what the mappings will be called, of those that can be read.
func (f *mappingFlags) names() (names []string) {
	var all []tunnel.Mapping
	for _, m := range f.list {
		if parsed, fs := tunnel.ParseMapping(tunnel.Kind(m.Kind), m.Mapping); len(fs) == 0 {
			all = append(all, parsed)
		}
	}
	tunnel.NameMappings(all)
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names
}

// mappingFlag is one of the four; it keeps the text, so that all that is wrong is said at once.
type mappingFlag struct {
	kind tunnel.Kind
	all  *mappingFlags
}

var _ pflag.Value = mappingFlag{}

const mappingType = "MAPPING"

func (f mappingFlag) String() string { return "" }
func (f mappingFlag) Type() string   { return mappingType }

func (f mappingFlag) Set(s string) error {
	f.all.list = append(f.all.list, control.MappingInput{Kind: string(f.kind), Mapping: s})
	return nil
}
