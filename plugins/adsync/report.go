package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// report is what one run did, as the last one is kept in the module's directory.
type report struct {
	RunID    string        `json:"run_id"`
	Started  time.Time     `json:"started"`
	Finished time.Time     `json:"finished"`
	DryRun   bool          `json:"dry_run"`
	Outcome  string        `json:"outcome"` // ok, partial or failed
	Error    string        `json:"error,omitempty"`
	Server   string        `json:"server,omitempty"` // the slot
	Host     string        `json:"host,omitempty"`   // what the server calls itself
	Counts   counts        `json:"counts"`
	Items    []roster.Item `json:"items"`
	LeftOff  int           `json:"left_off,omitempty"` // items beyond maxItems
	Files    []string      `json:"files,omitempty"`
	Refused  []refusal     `json:"refused,omitempty"` // what the PBX cannot keep
	Warnings []string      `json:"warnings,omitempty"`
	Hints    []string      `json:"hints,omitempty"` // what wants no attention once it is known
}

type counts roster.Count

// refusal is one field that the PBX cannot keep, of so many users and groups.
type refusal struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	N      int    `json:"n"`
}

// Limits of a report, which may be about 100,000 users.
const (
	maxItems    = 5000
	maxRefusals = 100
	maxWarnings = 20
)

func (c counts) String() string {
	return fmt.Sprintf("%d created, %d updated, %d reactivated, %d marked, %d unchanged, %d skipped",
		c.Created, c.Updated, c.Reactivated, c.Marked, c.Unchanged, c.Skipped)
}

func (r *report) take(made *roster.Roster) {
	r.Counts, r.Items, r.LeftOff = counts(made.Count), made.Items, 0
	if len(r.Items) > maxItems {
		r.Items, r.LeftOff = r.Items[:maxItems], len(r.Items)-maxItems
	}
}

// odd notes an entry that cannot be a person.
func (r *report) odd(o directory.Odd) {
	if len(r.Warnings) < maxWarnings {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s was passed over: %s", o.DN, o.Reason))
	}
}

// result takes over what the PBX says.
func (r *report) result(got pbx.Result) {
	r.Files, r.Refused = got.Files, nil
	for _, f := range got.Refused {
		one := refusal{Field: f.Finding.Field, Reason: f.Finding.Message, N: 1}
		i := slices.IndexFunc(r.Refused, func(o refusal) bool { return o.Field == one.Field && o.Reason == one.Reason })
		switch {
		case i >= 0:
			r.Refused[i].N++
		case len(r.Refused) < maxRefusals:
			r.Refused = append(r.Refused, one)
		}
	}
}
