package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// optionsOf are the options that give what the daemon calls by the name of a field.
var optionsOf = map[string][]string{
	"private_key":  {"key"},
	"password":     {"password-file", "password-stdin"},
	"via_password": {"via-password-file", "via-password-stdin"},
	"comment":      {"comment"},
	"fingerprint":  {"fingerprint"},
	"lanes":        {"lane"},
}

// optionOf is field as whoever typed cmd knows it: the option that gave it, with what tells it from others of its kind.
func optionOf(cmd *cobra.Command, field string) string {
	kind, which, _ := strings.Cut(field, ".")
	for _, name := range optionsOf[kind] {
		f := cmd.Flags().Lookup(name)
		switch {
		case f == nil || !f.Changed:
			continue
		case name == "key":
			which = f.Value.String()
		}
		return strings.TrimRight("--"+name+" "+which, " ")
	}
	return field
}
