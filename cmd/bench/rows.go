package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// row is one figure, of both sides where ssh has it too.
type row struct {
	what, unit    string
	culvert, ssh  float64
	ratio, lo, hi float64 // Culvert to ssh: median, smallest and largest of the rounds; 0 where there is no ssh
	cpu, sshCPU   float64 // seconds of the relay's processor per GB, 0 where nothing was streamed
	digits        int
}

// add appends a row with the medians of what was measured in rounds.
func (b *bench) add(what, unit string, ours, theirs []sample) {
	x := row{what: what, unit: unit}
	var ratios, o, t, oc, tc []float64
	for i := range ours {
		o, t = append(o, ours[i].rate), append(t, theirs[i].rate)
		oc, tc = append(oc, ours[i].cpu), append(tc, theirs[i].cpu)
		ratios = append(ratios, ours[i].rate/theirs[i].rate)
	}
	x.culvert, x.ssh, x.cpu, x.sshCPU = median(o), median(t), median(oc), median(tc)
	x.ratio, x.lo, x.hi = median(ratios), slices.Min(ratios), slices.Max(ratios)
	b.rows = append(b.rows, x)
}

// wants reports whether the measurement of that name is among those asked for.
func (b *bench) wants(what string) bool { return strings.Contains(what, b.only) }

func (b *bench) print(ctx context.Context) {
	fmt.Printf("Culvert beside %s, %s, loopback; median of %d rounds of %v.\n", sshVersion(ctx), cipher, b.rounds, b.length)
	fmt.Println("ratio: Culvert to ssh; more is better, but for times, memory and processor.")
	w := table.NewWriter()
	w.SetOutputMirror(os.Stdout)
	w.SetStyle(table.StyleLight)
	w.AppendHeader(table.Row{"", "Culvert", "ssh", "", "ratio", "range", "CPU s/GB", "ssh"})
	for _, x := range b.rows {
		w.AppendRow(x.cells())
	}
	w.Render()
}

func (x row) cells() table.Row {
	number := func(v float64, digits int) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.*f", digits, v)
	}
	between := ""
	if x.ratio != 0 {
		between = fmt.Sprintf("%.2f-%.2f", x.lo, x.hi)
	}
	return table.Row{x.what, number(x.culvert, x.digits), number(x.ssh, x.digits), x.unit, number(x.ratio, 2), between,
		number(x.cpu, 2), number(x.sshCPU, 2)}
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}
