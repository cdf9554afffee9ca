package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A job that runs on beyond its limit is said to wherever one looks.
func TestAnOverdueJobIsShown(t *testing.T) {
	for _, tt := range []struct {
		name    string
		running time.Duration // for how long, of a minute
		overdue bool
	}{
		{"within its limit", time.Second, false},
		{"overdue", time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newTestbed(t)
			worker(b)
			b.AllJobs[0].Jobs[0].Running = &tunnel.JobRun{Began: time.Now().Add(-tt.running), By: tunnel.BySchedule}
			says := regexp.MustCompile(`over its limit of 1m0s since 20\d\d-`)
			for _, line := range []string{"job list", "job show worker/default sync", "status"} {
				if r := b.run("", strings.Fields(line)...); says.MatchString(r.out) != tt.overdue {
					t.Errorf("%s: %s", line, r.out)
				}
			}
			r := b.run("", "status", "-o", "json")
			if (r.code == exitNotUp) != tt.overdue || strings.Contains(r.out, `"reason": "job-overdue"`) != tt.overdue {
				t.Errorf("exit %d: %s", r.code, r.out)
			}
			r = b.run("", "job", "list", "-o", "json")
			if strings.Contains(r.out, `"overdue_since": null`) == tt.overdue || !strings.Contains(r.out, `"limit_seconds": 60`) {
				t.Errorf("%s", r.out)
			}
		})
	}
}
