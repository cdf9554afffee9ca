package control_test

import (
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A run is overdue once its limit and the grace beyond are over, and that since the limit was.
func TestWhenARunIsOverdue(t *testing.T) {
	const limit = 20
	under := func(began time.Time) *tunnel.JobRun { return &tunnel.JobRun{Began: began} }
	over := noon.Add(limit * time.Second)
	for _, tt := range []struct {
		name    string
		running *tunnel.JobRun
		limit   int
		now     time.Time
		want    time.Time
	}{
		{name: "none is under way", limit: limit, now: over.Add(time.Hour)},
		{name: "within its limit", running: under(noon), limit: limit, now: over},
		{name: "within the grace", running: under(noon), limit: limit, now: over.Add(control.JobGrace)},
		{name: "beyond both", running: under(noon), limit: limit, now: over.Add(control.JobGrace + 1), want: over},
		{name: "it does not say when it began", running: under(time.Time{}), limit: limit, now: over},
		{name: "no limit is known", running: under(noon), now: over.Add(time.Hour)},
		{name: "the clock was set back", running: under(noon), limit: limit, now: noon.Add(-time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := control.OverdueSince(tunnel.JobStatus{Running: tt.running}, tunnel.Job{Seconds: tt.limit}, tt.now); !got.Equal(tt.want) {
				t.Errorf("since %v, not %v", got, tt.want)
			}
		})
	}
}
