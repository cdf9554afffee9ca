package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// adsync measures how long module adsync takes for 10,000 people of a real directory, at first and where nothing has
// changed, and the most memory that takes. There is nothing of ssh to put beside it. It needs slapd.
func (b *bench) adsync(ctx context.Context) error {
	if !b.begin("adsync: 10,000 people") {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkSync$", "-benchtime", "1x", "./plugins/adsync")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measure adsync: %w\n%s", err, out)
	}
	found := metrics(string(out))
	if len(found) == 0 {
		return errors.New("measure adsync: nothing was measured; is slapd installed?")
	}
	for _, m := range []struct{ unit, metric, what string }{
		{"s", "s/first", "adsync: 10,000 people, first"}, {"s", "s/second", "adsync: 10,000 people, unchanged"},
		{"MB", "MB/first", "adsync: most memory, first"}, {"MB", "MB/second", "adsync: most memory, unchanged"},
	} {
		b.rows = append(b.rows, row{what: m.what, unit: m.unit, culvert: found[m.metric], digits: 1})
	}
	return nil
}

// metrics reads what a Go benchmark reports: VALUE UNIT, again and again.
func metrics(out string) map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				found[fields[i+1]] = v
			}
		}
	}
	return found
}
