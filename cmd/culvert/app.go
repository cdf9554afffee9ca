package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// app is what every command works with: where it reads and writes, and the daemon it asks.
type app struct {
	in     io.Reader
	out    *output
	errOut io.Writer

	socket string
	format string         // table or json
	zone   *time.Location // the caller's
	parsed bool           // the command line was understood: what goes wrong from here on is no usage error
	daemon *control.Client
}

// json reports whether output is for machines.
func (a *app) json() bool { return a.format == "json" }

// show writes v as JSON, or what table writes for people.
func (a *app) show(v any, table func()) error {
	if a.json() {
		return a.writeJSON(v, "  ")
	}
	table()
	return nil
}

// line writes v as one line of JSON.
func (a *app) line(v any) error { return a.writeJSON(v, "") }

func (a *app) writeJSON(v any, indent string) error { return writeJSON(a.out, v, indent) }

// formatOf is the format that a command line which was not understood asks for.
func formatOf(args []string) string {
	for i, arg := range args {
		switch arg {
		case "-ojson", "-o=json", "--output=json":
			return "json"
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return "json"
			}
		}
	}
	return "table"
}

// say writes one line for people.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// note writes one line beside the output, so that it never mixes with what another program reads: {"note": ...} where
// that is JSON.
func (a *app) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if a.json() {
		a.beside("note", strings.TrimSpace(line))
		return
	}
	fmt.Fprintln(a.errOut, line)
}

// beside writes one line of JSON to standard error.
func (a *app) beside(what, text string) {
	_ = writeJSON(a.errOut, map[string]string{what: text}, "") // there is nobody else to tell
}

// warn shows warnings; they are no errors.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		if a.json() {
			a.beside("warning", clean(w))
			continue
		}
		a.note("culvert: warning: %s", clean(w))
	}
}

// clean makes a text from outside fit for a terminal.
func clean(s string) string { return tunnel.Clean(s, 2000) }

// cleanLine is clean for a line that is to be pasted: it is never cut.
func cleanLine(s string) string { return tunnel.Clean(s, 4*len(s)+1) }

// terminal reports whether v is a terminal.
func terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
