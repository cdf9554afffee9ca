// Command culvert is the operator's program: it asks the running daemon over its control socket, shows what it answers
// and says what to do next.
//
// Exit codes: 0 fine; 1 failed, or what is named is not there; 2 the command line or a value is wrong in itself; 3 not
// up, or a check failed; 4 right, but refused by the present state; 5 no daemon answers.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is one call of the program; it returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a := &app{in: in, out: &output{to: out, failed: stop}, errOut: errOut, zone: time.Local}
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	a.disconnect()
	if err != nil && !a.parsed {
		err = asUsage(err)
		a.format = formatOf(args)
	}
	if failed := a.out.failure(); failed != nil {
		err = failed
	}
	return a.finish(cmd, err)
}

// version is the module's version or commit, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
