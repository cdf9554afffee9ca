// Command bench measures Culvert beside OpenSSH's own forwards, on one sshd, in one run, with the same cipher, and
// prints ratios: what a busy machine does to one side it does to the other. Each figure is the median of rounds in
// which both sides ran in turn. It needs sshd and ssh, and talks to loopback alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == asDaemon {
		os.Exit(profiledDaemon(os.Args[2:]))
	}
	os.Exit(run())
}

func run() int {
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 7, "rounds of each measurement; the median counts")
	flag.DurationVar(&b.length, "length", time.Second, "length of one round of one side")
	flag.StringVar(&b.only, "only", "", "only the measurements whose name holds this text")
	flag.IntVar(&b.tunnels, "tunnels", 300, "tunnels whose memory is measured; 0 for none")
	flag.DurationVar(&b.settle, "settle", 5*time.Minute, "time between the last traffic and reading the memory")
	flag.IntVar(&b.many, "many", 1000, "tunnels of two mappings that are held at once; 0 for none")
	flag.StringVar(&b.profile, "profile", "", "write a CPU profile of the daemon while it relays to FILE, and measure nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		return 1
	}
	return 0
}

// bench is one run with its settings and what came out.
type bench struct {
	rounds        int
	length        time.Duration
	only          string
	tunnels, many int
	settle        time.Duration
	profile       string
	rows          []row
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.profile != "" {
		return b.takeProfile(ctx)
	}
	for _, part := range []func(context.Context) error{b.speed, b.memory, b.capacity, b.modules, b.adsync} {
		err = errors.Join(err, part(ctx))
		if ctx.Err() != nil {
			break
		}
	}
	b.print(ctx)
	return err
}

// begin says what is measured now, and whether it is wanted at all.
func (b *bench) begin(what string) bool {
	if !b.wants(what) {
		return false
	}
	fmt.Fprintf(os.Stderr, "%s ...\n", what)
	return true
}
