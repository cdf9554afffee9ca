// Command bench measures Culvert beside OpenSSH's own forwards, on one sshd, in one run, with the same cipher, and
// prints ratios: what a busy machine does to one side it does to the other. Each figure is the median of rounds in
// which both sides ran in turn. It needs sshd and ssh, and talks to loopback alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

func main() { os.Exit(run()) }

func run() int {
	rounds := flag.Int("rounds", 5, "rounds of each measurement; the median counts")
	length := flag.Duration("length", time.Second, "length of one round of one side")
	idle := flag.Int("idle", 100, "idle tunnels to measure memory with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{rounds: *rounds, length: *length, idle: *idle}
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		return 1
	}
	return 0
}

// bench is one run with its settings and what came out.
type bench struct {
	rounds int
	length time.Duration
	idle   int
	rows   []row
}

// row is one figure, measured for both sides.
type row struct {
	what, unit    string
	culvert, ssh  float64
	ratio, lo, hi float64 // culvert to ssh: median, smallest, largest of the rounds
}

// path is one way to the same echo service: through Culvert or through ssh.
type path struct{ culvert, ssh int }

func (b *bench) run(ctx context.Context) error {
	r, err := newRig(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	expose, reach := path{r.culvertR, r.sshR}, path{r.culvertL, r.sshL}

	memory, err := b.memory(ctx, r) // before any load: afterwards the daemon has memory to spare
	if err != nil {
		return err
	}

	for _, m := range []struct {
		what string
		p    path
		f    func(context.Context, int, time.Duration) (float64, error)
		unit string
	}{
		{"expose (-R): connections, one at a time", expose, connections(1), "1/s"},
		{"expose (-R): connections, 32 at a time", expose, connections(32), "1/s"},
		{"reach (-L): connections, one at a time", reach, connections(1), "1/s"},
		{"reach (-L): connections, 32 at a time", reach, connections(32), "1/s"},
		{"expose (-R): site to PBX, 1 stream", expose, send(1), "MB/s"},
		{"expose (-R): site to PBX, 8 streams", expose, send(8), "MB/s"},
		{"expose (-R): PBX to site, 1 stream", expose, receive(1), "MB/s"},
		{"expose (-R): PBX to site, 8 streams", expose, receive(8), "MB/s"},
		{"reach (-L): PBX to site, 1 stream", reach, send(1), "MB/s"},
		{"reach (-L): PBX to site, 8 streams", reach, send(8), "MB/s"},
		{"reach (-L): site to PBX, 1 stream", reach, receive(1), "MB/s"},
		{"reach (-L): site to PBX, 8 streams", reach, receive(8), "MB/s"},
	} {
		if err := b.compare(ctx, m.what, m.unit, m.p, m.f); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		what string
		p    path
	}{{"expose (-R): round trip", expose}, {"reach (-L): round trip", reach}} {
		if err := b.roundTrips(ctx, m.what, m.p); err != nil {
			return err
		}
	}
	b.rows = append(b.rows, memory)
	b.print(r)
	return nil
}

// compare measures both sides in turn.
func (b *bench) compare(ctx context.Context, what, unit string, p path, f func(context.Context, int, time.Duration) (float64, error)) error {
	fmt.Fprintf(os.Stderr, "%s ...\n", what)
	var ours, theirs, ratios []float64
	for range b.rounds {
		o, err := f(ctx, p.culvert, b.length)
		if err != nil {
			return fmt.Errorf("%s through culvert: %w", what, err)
		}
		t, err := f(ctx, p.ssh, b.length)
		if err != nil {
			return fmt.Errorf("%s through ssh: %w", what, err)
		}
		ours, theirs, ratios = append(ours, o), append(theirs, t), append(ratios, o/t)
	}
	b.rows = append(b.rows, row{what: what, unit: unit, culvert: median(ours), ssh: median(theirs),
		ratio: median(ratios), lo: slices.Min(ratios), hi: slices.Max(ratios)})
	return nil
}

func (b *bench) roundTrips(ctx context.Context, what string, p path) error {
	var all [2][2][]float64 // p50 and p99 of culvert and ssh
	for range b.rounds {
		for side, port := range []int{p.culvert, p.ssh} {
			p50, p99, err := roundTrip(ctx, port, b.length)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			all[0][side], all[1][side] = append(all[0][side], p50), append(all[1][side], p99)
		}
	}
	for i, name := range []string{" p50", " p99"} {
		ours, theirs := all[i][0], all[i][1]
		ratios := make([]float64, len(ours))
		for j := range ours {
			ratios[j] = ours[j] / theirs[j]
		}
		b.rows = append(b.rows, row{what: what + name, unit: "µs", culvert: median(ours), ssh: median(theirs),
			ratio: median(ratios), lo: slices.Min(ratios), hi: slices.Max(ratios)})
	}
	return nil
}

// memory is what one idle tunnel more costs in the daemon, beside what one ssh process costs.
func (b *bench) memory(ctx context.Context, r *rig) (row, error) {
	fmt.Fprintf(os.Stderr, "memory of %d idle tunnels ...\n", b.idle)
	ours, err := r.memoryPerTunnel(ctx, b.idle)
	if err != nil {
		return row{}, err
	}
	theirs, err := r.sshMemory()
	if err != nil {
		return row{}, err
	}
	ratio := ours / theirs
	return row{what: "memory of one idle tunnel", unit: "KB", culvert: ours, ssh: theirs, ratio: ratio, lo: ratio, hi: ratio}, nil
}

func (b *bench) print(r *rig) {
	fmt.Printf("Culvert beside %s, %s, loopback; median of %d rounds of %v.\n", r.version, cipher, b.rounds, b.length)
	fmt.Println("ratio: Culvert to ssh; more is better, but for round trips and memory.")
	w := table.NewWriter()
	w.SetOutputMirror(os.Stdout)
	w.SetStyle(table.StyleLight)
	w.AppendHeader(table.Row{"", "Culvert", "ssh", "", "ratio", "range"})
	for _, x := range b.rows {
		w.AppendRow(table.Row{x.what, fmt.Sprintf("%.0f", x.culvert), fmt.Sprintf("%.0f", x.ssh), x.unit,
			fmt.Sprintf("%.2f", x.ratio), fmt.Sprintf("%.2f-%.2f", x.lo, x.hi)})
	}
	w.Render()
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}
