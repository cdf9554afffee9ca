// Command soak runs for hours what the tests run for seconds: it breaks the path, the server and the daemon in every way
// that host/netbed knows, asks probers at the far end when data flows again, and writes a table of what was promised
// beside what was measured, with autossh and plain ssh in the same bed as baselines. It needs root, the packages that
// .ci/install names, and for the baselines autossh; it talks to nothing outside its own network namespaces.
//
// What it has measured is kept line by line in a state file, so a run that was interrupted goes on with --resume.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

func run() int {
	var o options
	only := flag.String("only", "", "only these goals or cases of goals, as in G5,G3/NAT; a case up to its first comma")
	flag.DurationVar(&o.budget, "budget", 3*time.Hour, "time for all goals together; each gets its share")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64()>>32, "of every choice that is left to chance")
	flag.BoolVar(&o.resume, "resume", false, "go on with what the state file holds, its seed included")
	flag.StringVar(&o.state, "state", filepath.Join(os.TempDir(), "culvert-soak.jsonl"), "where trials are kept")
	flag.StringVar(&o.results, "results", "cmd/soak/RESULTS.md", "where the table goes")
	flag.Parse()
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := soak(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: error:", err)
		return 1
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "soak: %d figures were missed\n", missed)
		return 3
	}
	return 0
}

// options are the command line's.
type options struct {
	only           []string
	budget         time.Duration
	seed           uint64
	resume         bool
	state, results string
}

// soak runs what is wanted and writes the table, also of a run that was cut short. It returns how many figures were
// missed.
func soak(ctx context.Context, o options) (missed int, err error) {
	log, err := openLog(o)
	if err != nil {
		return 0, err
	}
	defer log.close()
	fmt.Fprintf(os.Stderr, "seed %d, state in %s\n", log.seed, o.state)
	s := &session{options: o, log: log, broken: ctx.Err}
	defer s.close()
	if err := s.build(ctx); err != nil {
		return 0, err
	}
	s.runAll(ctx)
	return writeResults(o.results, s)
}
