package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
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
	Removed  []string      `json:"removed,omitempty"` // files that are not asked for any more
	Refused  []refusal     `json:"refused,omitempty"` // what the PBX cannot keep
	Unnamed  int           `json:"unnamed,omitempty"` // such beyond maxRefusals
	Warnings []string      `json:"warnings,omitempty"`
	Hints    []string      `json:"hints,omitempty"` // what wants no attention once it is known
}

type counts roster.Count

// refusal is one field that the PBX cannot keep, of a user or a group.
type refusal struct {
	Of     string `json:"of"` // the user's login or the group's name
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
	Safe   bool   `json:"safe,omitempty"` // only a text is left out, where it would be taken for something else
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

// take takes over what becomes of the users: first what matters.
func (r *report) take(made *roster.Roster) {
	r.Counts, r.Items, r.LeftOff = counts(made.Count), roster.ByWeight(made.Items), 0
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

// result takes over what the PBX says of the users and groups that it has then: first what matters.
func (r *report) result(got pbx.Result, has pbx.State) {
	r.Files, r.Removed, r.Refused, r.Unnamed = got.Files, got.Removed, nil, 0
	for _, f := range got.Refused {
		r.Refused = append(r.Refused, refusal{
			Of: nameOf(f, has), Field: f.Finding.Field, Reason: f.Finding.Message, Remedy: f.Finding.WayOut, Safe: f.Finding.Code == tunnel.Malformed,
		})
	}
	slices.SortStableFunc(r.Refused, func(a, b refusal) int {
		if a.Safe == b.Safe {
			return 0
		}
		return map[bool]int{true: 1, false: -1}[a.Safe]
	})
	if more := len(r.Refused) - maxRefusals; more > 0 {
		r.Refused, r.Unnamed = r.Refused[:maxRefusals], more
	}
}

// nameOf is what people know a user or a group by.
func nameOf(f pbx.Refusal, has pbx.State) string {
	if g, there := has.Group(f.Group); there {
		return "group " + tunnel.Clean(g.Name, 80)
	}
	if u, there := has.User(f.User); there {
		return tunnel.Clean(u.Login, 80)
	}
	return string(f.User + f.Group)
}

// rows are what there is to say, line by line, with what matters first: whoever shows them may show some alone.
func (r *report) rows() (rows [][]string) {
	urgent := slices.IndexFunc(r.Items, func(i roster.Item) bool { return !i.Urgent() })
	if urgent < 0 {
		urgent = len(r.Items)
	}
	items := func(list []roster.Item) {
		for _, i := range list {
			rows = append(rows, []string{i.Login, string(i.Action), i.Reason})
		}
	}
	items(r.Items[:urgent])
	for _, w := range r.Warnings {
		rows = append(rows, []string{"", "warning", w})
	}
	for _, f := range r.Refused {
		rows = append(rows, []string{f.Of, map[bool]string{true: "left out", false: "not kept"}[f.Safe], fmt.Sprintf("%s: %s: %s", f.Field, f.Reason, f.Remedy)})
	}
	for _, name := range r.Removed {
		rows = append(rows, []string{"", "file removed", name + ": it is not asked for any more"})
	}
	for _, h := range r.Hints {
		rows = append(rows, []string{"", "hint", h})
	}
	items(r.Items[urgent:])
	return rows
}

// incomplete reports whether somebody or something was passed over that should not be, as far as is known. Who is on a list of
// the operator's should be.
func (r *report) incomplete() bool {
	return r.Counts.Skipped > r.Counts.Wanted || len(r.Warnings) > 0 || slices.ContainsFunc(r.Refused, func(f refusal) bool { return !f.Safe })
}
