// Command demo plays the story of the README on this machine: a site, the daemon, a module that declares a tunnel, a
// page fetched through it, a second module that is refused, and a cut link that comes back. It needs nothing but Go,
// touches loopback and one temporary directory, and leaves nothing behind.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Plays the story of the README: go run ./cmd/demo [--keep | --site]

  --keep   stay up at the end until interrupted, to look around with the CLI
  --site   start only the site (an SSH server with a service behind it) until interrupted
`

func main() { os.Exit(run()) }

func run() int {
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	keep := f.Bool("keep", false, "")
	siteOnly := f.Bool("site", false, "")
	if err := f.Parse(os.Args[1:]); err != nil || f.NArg() > 0 {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	play := func(ctx context.Context) error { return story(ctx, *keep) }
	if *siteOnly {
		play = onlySite
	}
	if err := play(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		return 1
	}
	return 0
}
