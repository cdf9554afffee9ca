package sdktest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"
)

// leakPatience is how long goroutines of a run that has returned may take to end.
const leakPatience = time.Second

// marks tell one run's goroutines from all others, for goroutines inherit a label from the one that started them.
var marks atomic.Int64

const markLabel = "sdktest"

// marked runs f so that every goroutine it starts, and those they start, bear the mark.
func marked(ctx context.Context, mark string, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(markLabel, mark), f)
}

func newMark() string { return fmt.Sprintf("run %d", marks.Add(1)) }

// leaked waits for the goroutines that bear the mark to end and returns the stacks of those that do not.
func leaked(mark string) string {
	for end := time.Now().Add(leakPatience); ; time.Sleep(10 * time.Millisecond) {
		stacks := stacksOf(mark)
		if stacks == "" || time.Now().After(end) {
			return stacks
		}
	}
}

// stacksOf are the groups of the goroutine profile that bear the mark.
func stacksOf(mark string) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return err.Error()
	}
	label := fmt.Sprintf("%q:%q", markLabel, mark)
	var found []string
	for group := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(group, label) {
			found = append(found, group)
		}
	}
	return strings.Join(found, "\n\n")
}
