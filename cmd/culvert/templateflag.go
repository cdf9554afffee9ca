package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/template"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const templateHelp = `A template stands for the mappings of a well-known service:
  --template [NAME=]ID[:gateway][@TARGET]
culvert template list shows the IDs. NAME is another name for the mapping,
:gateway lets hosts connected to that side use it too, TARGET is the host at the
site that has the service, where it is not the SSH server itself. A port that
the tunnel uses already is replaced; change what came of it like any mapping.`

// templateFlag is --template, in the order given.
type templateFlag struct {
	given []string
}

func (f *templateFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.given, "template", nil, "mappings of a well-known service, "+template.Form+" (again for more)")
	_ = cmd.RegisterFlagCompletionFunc("template", completeTemplates)
}

// check returns what is wrong with all of them, each naming its flag.
func (f *templateFlag) check() (fs tunnel.Findings) {
	for _, text := range f.given {
		_, more := template.Parse(text)
		fs = append(fs, more.At("--template "+tunnel.Clean(text, 80))...)
	}
	return fs
}

// names are what the mappings will be called behind those of the line.
func (f *templateFlag) names(before []string) []string {
	var list []tunnel.Mapping
	for _, name := range before {
		list = append(list, tunnel.Mapping{Name: name})
	}
	for _, text := range f.given {
		if u, fs := template.Parse(text); len(fs) == 0 {
			list, _ = template.Insert(list, []template.Use{u})
		}
	}
	names := slices.Clone(before)
	for _, m := range list[len(before):] {
		names = append(names, m.Name)
	}
	return names
}

// completeTemplates offers the IDs, behind NAME= too, and what may follow one.
func completeTemplates(_ *cobra.Command, _ []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name, id, named := strings.Cut(text, "=")
	if !named {
		name, id = "", text
	} else {
		name += "="
	}
	var out []cobra.Completion
	for _, t := range template.All() {
		out = append(out, cobra.CompletionWithDesc(name+t.ID, t.Title))
		if t.ID != strings.TrimRight(id, ":@") {
			continue
		}
		if len(t.Kinds) > 1 {
			out = append(out, cobra.CompletionWithDesc(name+t.ID+":gateway", "third parties get access too"))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
