package main

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
)

func eventsCommand(a *app) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "What happened, oldest first",
		Example: "  culvert events\n  culvert events -f -o json",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.events(cmd.Context(), a.daemon.Events(cmd.Context(), "", follow))
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}

// events shows each event as it comes; to stop is no error.
func (a *app) events(ctx context.Context, all iter.Seq2[control.Event, error]) error {
	for e, err := range all {
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) event(e control.Event) error {
	if a.json() {
		return a.line(e)
	}
	parts := []string{a.when(&e.Time), clean(e.Type), clean(e.Subject)}
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		parts = append(parts, clean(k)+"="+clean(e.Fields[k]))
	}
	if e.Reason != nil {
		parts = append(parts, "("+clean(*e.Reason)+")")
	}
	if e.Message != "" {
		parts = append(parts, clean(e.Message))
	}
	parts = append(parts, "by "+clean(e.Actor))
	a.say("%s", strings.Join(parts, gap))
	return nil
}
