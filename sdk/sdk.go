package sdk

import (
	"context"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Module is what an author writes; S is the struct of its settings (package sdk/settings has its tags).
type Module[S any] interface {
	// Describe says what the module is. It needs neither settings nor the host, and always returns the same.
	Describe() Description

	// Run does the module's work for one configuration. Its context ends when the configuration is disabled, changed or
	// removed, or the host ends; Run then cleans up and returns within 5 s. Runs of several configurations are
	// concurrent, each with an Instance of its own.
	//
	// Nil means that there is nothing to do until the configuration changes. An error is shown as the configuration's
	// state, and Run is tried again after 1 s, doubling to 60 s. A
	// panic of Run is such an error, with its stack in the log, and the runs of other configurations go on; one in a
	// goroutine that the module started itself cannot be caught, and takes the process with every run in it.
	Run(ctx context.Context, in *Instance[S]) error
}

// Description is what a module says of itself. Its settings are not in it: they come from the module's S.
type Description struct {
	Name    string // what its file is called
	Version string
	Slots   []Slot  // the mappings it knows how to use
	Policy  Policy  // which others the operator may give its tunnels (R49)
	Grants  []Grant // the rights beyond the sandbox it needs
}

// Serve runs the module for the host that started this process and returns when the host tells it to end or is gone.
//
// Started by hand, it says what the program is and where it belongs, or with --describe prints the description as JSON,
// and ends the process. Nothing may be written to standard output before Serve; after it, it goes to the module's log.
func Serve[S any](m Module[S]) {
	p := Plugin(m)
	if !wire.Started(os.Getenv) {
		os.Exit(byHand(p, os.Args[1:], os.Stdout, os.Stderr))
	}
	wire.Serve(p, newLog(os.Stderr))
}

// newLog writes lines that the host reads back with their level and fields.
func newLog(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: w, JSONFormat: true})
}
