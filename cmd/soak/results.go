package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// writeResults writes the table, with what was not measured called so, and returns how many figures were missed.
func writeResults(file string, s *session) (missed int, err error) {
	var t strings.Builder
	fmt.Fprintf(&t, "# What the long runs measured\n\nWritten by `go run ./cmd/soak`; seed %d, commits %s, %s.\n%s\n\n",
		s.log.seed, strings.Join(s.log.commits(), ", "), time.Now().UTC().Format("2006-01-02 15:04 MST"), machine())
	if goals := s.log.withHugePages(); len(goals) > 0 {
		fmt.Fprintf(&t, "The system gave huge pages to all, as Debian does, in trials of %s.\n\n", strings.Join(goals, ", "))
	}
	t.WriteString("Each figure is the word of probers at the far end, never the daemon's own. What did not come back counts with the time\n" +
		"that was waited for it. N are trials.\n\n| goal | cases | asked | p50 | p99 | max | N | |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range asked() {
		ok := l.row(&t, s.log)
		if !ok {
			missed++
		}
	}
	t.WriteString("\n## Beside what else there is\n\nThe same bed, the same cuts, both directions silent: seconds from the cut, and from the path's return, until data flows again\n" +
		"through a forward each way. autossh and ssh with ServerAliveInterval 20, ServerAliveCountMax 3, ExitOnForwardFailure.\n\n" +
		"| cut | who | after heal p50 | max | in all p50 | max | N |\n|---|---|---|---|---|---|---|\n")
	for _, cut := range baselineCuts {
		for _, who := range []string{culvert, autossh, plainSSH} {
			all := s.log.of("baseline", fmt.Sprintf("%s, %v", who, cut))
			back, sum := figure(all, "back"), figure(all, "in all")
			fmt.Fprintf(&t, "| %v | %s | %s | %s | %s | %s | %d |\n", cut, who, number(stat(back, "p50")), number(stat(back, "max")),
				number(stat(sum, "p50")), number(stat(sum, "max")), len(back))
		}
	}
	failures(&t, s.log)
	return missed, os.WriteFile(file, []byte(t.String()), 0o644)
}

// row writes one promise and reports whether it was kept, or not measured.
func (l limit) row(t *strings.Builder, log *trialLog) bool {
	var values []float64
	each := map[string][]float64{}
	for _, trial := range log.of(l.goal, "") {
		if v, ok := trial.Figures[l.figure]; ok && (l.kinds == nil || slices.Contains(l.kinds, trial.Case)) {
			values = append(values, v)
			each[trial.Case] = append(each[trial.Case], v)
		}
	}
	verdict, ok := "kept", true
	switch got := stat(values, l.stat); {
	case len(values) == 0:
		verdict = "not measured"
	case got > l.most:
		verdict, ok = "**missed**"+l.where(each), false
	}
	kinds := strings.Join(l.kinds, "; ")
	if len(kinds) > 60 {
		kinds = fmt.Sprintf("%d cases", len(l.kinds))
	}
	if l.stat == "sum" {
		fmt.Fprintf(t, "| %s | %s | %s | | | %s in all | %d | %s |\n", l.goal, kinds, l.asked, number(stat(values, "sum")), len(values), verdict)
		return ok
	}
	fmt.Fprintf(t, "| %s | %s | %s | %s | %s | %s | %d | %s |\n", l.goal, kinds, l.asked,
		number(stat(values, "p50")), number(stat(values, "p99")), number(stat(values, "max")), len(values), verdict)
	return ok
}

// where names the cases that miss it by themselves, where there are several.
func (l limit) where(each map[string][]float64) string {
	var all []string
	for kind, values := range each {
		if len(each) > 1 && stat(values, l.stat) > l.most {
			all = append(all, kind)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return ": " + strings.Join(all, "; ")
}

// failures lists what went wrong beside the figures, each sort once.
func failures(t *strings.Builder, log *trialLog) {
	count, last := map[string]int{}, map[string]string{}
	for _, trial := range log.of("", "") {
		if trial.Failed != "" {
			key := trial.Goal + " " + trial.Case
			count[key]++
			last[key] = trial.Failed
		}
	}
	if len(count) == 0 {
		return
	}
	t.WriteString("\n## What went wrong\n\n| goal, case | trials | the last of them |\n|---|---|---|\n")
	keys := make([]string, 0, len(count))
	for k := range count {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		said := strings.NewReplacer("\n", " ", "|", "/").Replace(last[k])
		fmt.Fprintf(t, "| %s | %d | %s |\n", k, count[k], said[:min(len(said), 300)])
	}
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// machine says what it ran on.
func machine() string {
	return fmt.Sprintf("Linux %s, %s, %d processors, %s; when this was written a read from anywhere in 64 MB took %d ns.",
		output("uname", "-r"), output("sh", "-c", "ssh -V 2>&1 | cut -d, -f1"), runtime.NumCPU(), runtime.Version(), readTime().Nanoseconds())
}

// hugePages reports whether the system gives huge pages to whoever does not refuse.
func hugePages() bool {
	return strings.Contains(output("cat", "/sys/kernel/mm/transparent_hugepage/enabled"), "[always]")
}

// readTime is how long a read takes of which nobody knows where it leads until the one before has come. What an idle daemon
// of a thousand tunnels takes is mostly that, and on a machine that shares its memory with others it differs from hour to hour.
func readTime() time.Duration {
	const line, reads = 16, 1 << 20 // a line of the cache, in numbers
	next := make([]uint32, 64<<20/4)
	order := rand.Perm(len(next) / line)
	for i, at := range order {
		next[at*line] = uint32(order[(i+1)%len(order)] * line)
	}
	began, at := time.Now(), uint32(0)
	for range reads {
		at = next[at]
	}
	runtime.KeepAlive(at)
	return time.Since(began) / reads
}
