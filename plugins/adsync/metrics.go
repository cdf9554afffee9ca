package main

import "github.com/culvert-pbx/culvert/sdk"

var _ sdk.Measurer = adsync{}

// What is measured of jobs in general, such as when one last succeeded, needs no line here.
var (
	usersMetric   = sdk.Metric{Name: "users", Help: "Persons of the directory at the last synchronisation, by what became of them.", Kind: sdk.Gauge, Labels: []string{"became"}}
	changesMetric = sdk.Metric{Name: "changes_total", Help: "Users that synchronisations have changed, by what became of them.", Kind: sdk.Counter, Labels: []string{"became"}}
	loginsMetric  = sdk.Metric{Name: "logins_total", Help: "Passwords that the PBX asked about, by what came of it.", Kind: sdk.Counter, Labels: []string{"result"}}
)

// Metrics lists them.
func (adsync) Metrics() []sdk.Metric { return []sdk.Metric{usersMetric, changesMetric, loginsMetric} }

// measure sets what a run that was none for show has found.
func measure(in *sdk.Instance[settings], r report) {
	if r.DryRun || r.Outcome == "failed" {
		return
	}
	c := r.Counts
	for became, n := range map[string]int{
		"created": c.Created, "updated": c.Updated, "reactivated": c.Reactivated, "marked": c.Marked, "unchanged": c.Unchanged, "skipped": c.Skipped,
	} {
		in.Metrics.Set(usersMetric, float64(n), became)
		if became != "unchanged" && became != "skipped" {
			in.Metrics.Add(changesMetric, float64(n), became)
		}
	}
}
