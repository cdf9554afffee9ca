package settings

import (
	"math/big"
	"time"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// newSchedule keeps its shortest interval as seconds, as newDuration does its limits.
func newSchedule() *node { return &node{Type: "string", Mark: Schedule, MaxLength: 40} }

// schedule checks a text that is a schedule.Schedule.
func (c *checker) schedule(n *node, text string, path []string) {
	s, err := schedule.Parse(text)
	if err != nil {
		c.add(tunnel.Malformed, path, "is not a schedule", err.Error())
		return
	}
	is := new(big.Rat).SetFrac64(int64(s.Interval()), int64(time.Second))
	if low, ok := rat(n.Minimum); ok && s.Interval() > 0 && is.Cmp(low) < 0 {
		c.add(tunnel.OutOfRange, path, "is due too often", "leave at least "+spanText(low)+" between two runs")
	}
}
