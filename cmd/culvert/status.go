package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
)

func statusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "One screen: what is wrong and what to do",
		Long: `One screen: what is wrong and what to do. The exit code is 3 when anything that
is enabled is not up, when the last run of a job failed that has a schedule, dry
runs aside, or when a run goes on beyond its limit. A job that went well only in
part, as one does that passed somebody over, is a note and does not count;
neither does a module that does not say within a second how its jobs are.`,
		Example: "  culvert status\n  culvert status -o json",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.daemon.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.show(s, func() { a.statusTable(s) }); err != nil {
				return err
			}
			if !s.OK {
				return notUp(count(len(s.Problems), "thing is not as it should be", "things are not as they should be"), "")
			}
			return nil
		},
	}
}

func (a *app) statusTable(s control.Status) {
	a.say("tunnels: %s", counts(s.Tunnels))
	a.say("modules: %s", counts(s.Modules))
	if len(s.Jobs) > 0 {
		a.say("jobs: %s", counts(s.Jobs))
	}
	if s.OK {
		a.say("\nEverything enabled is up.")
	}
	for _, p := range s.Problems {
		a.problem(p, "")
	}
	for _, p := range s.Notes {
		a.problem(p, "note: ")
	}
}

func (a *app) problem(p control.Problem, label string) {
	a.say("\n%s%s: %s", label, clean(p.Subject), clean(p.Message))
	if p.Reason != nil {
		a.say("  reason: %s", clean(*p.Reason))
	}
	if p.Remedy != "" {
		a.say("  what to do: %s", clean(p.Remedy))
	}
	if p.More != "" {
		a.say("  more: %s", clean(p.More))
	}
}

// counts is "3 up, 1 waiting", or none.
func counts(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], clean(k)))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// count is n with the noun that fits it.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
