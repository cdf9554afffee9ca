package sdk

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// byHand is what the program does when a person starts it; it returns the exit code.
func byHand(p wire.Plugin, args []string, stdout, stderr io.Writer) int {
	d, err := p.Describe()
	if err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
		return 1
	}
	if len(args) == 1 && args[0] == "--describe" {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(d); err != nil {
			fmt.Fprintf(stderr, "error: %v\n", err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(stderr, `%[1]s %[2]s is a module of Culvert: culvertd starts it, it does nothing by itself.
hint: put it into the plugin directory (/usr/lib/culvert/plugins), then: culvert config add %[1]s/default
hint: %[1]s --describe prints what it says of itself
`, d.Name, d.Version)
	return 2
}
