package sdk_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/culvert-pbx/culvert/sdk"
)

// clock is a module with a test of its own: culvert config test clock/default
type clock struct{}

var _ sdk.Tester[clockSettings] = clock{}

type clockSettings struct {
	Site sdk.Site `json:"site" title:"Site" slots:"time"`
	Zone string   `json:"zone" title:"Time zone" default:"CET"`
}

var timeServer = sdk.Slot{Name: "time", Title: "Time server", Kinds: []sdk.Kind{sdk.Reach}, Spec: ":13", On: true}

func (clock) Describe() sdk.Description {
	return sdk.Description{Name: "clock", Version: "1.0.0", Slots: []sdk.Slot{timeServer}}
}

func (clock) Run(ctx context.Context, in *sdk.Instance[clockSettings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel(timeServer)); err != nil {
		return err
	}
	in.Log.Info("the tunnel is declared")
	return nil
}

// Test checks in steps: what depends on a step that failed is skipped.
func (clock) Test(ctx context.Context, in *sdk.Instance[clockSettings], t *sdk.Steps) {
	var line string
	t.Do("ask the server", func(ctx context.Context) (string, error) {
		c, err := in.Dial(ctx, in.Settings.Site.Mapping(timeServer))
		if err != nil {
			return "", err
		}
		defer c.Close()
		line, err = bufio.NewReader(c).ReadString('\n')
		line = strings.TrimSpace(line)
		return "it says " + line, err
	})
	t.Do("read the zone", func(context.Context) (string, error) {
		if zone := line[strings.LastIndex(line, " ")+1:]; zone != in.Settings.Zone {
			return "", sdk.Warning("it counts in "+zone, "culvert config set clock/default zone="+zone)
		}
		return "", nil
	}, "ask the server")
}

// A module can check its configuration, step by step.
func ExampleTester() {
	w, end := run(clock{}, `{"site":{"server":"pbx@site.example.org"}}`)
	defer end()
	w.Serve("site/time", func(c net.Conn) { fmt.Fprintln(c, "12:00 UTC") })
	showLog(w, "declared") // a test goes over the tunnels as they are
	for _, s := range w.Test() {
		fmt.Printf("%s: %s: %s\n", s.Outcome, s.Name, s.Message)
		if s.Remedy != "" {
			fmt.Println("  to do:", s.Remedy)
		}
	}
	// Output:
	// [INFO]  the tunnel is declared
	// ok: ask the server: it says 12:00 UTC
	// warning: read the zone: it counts in UTC
	//   to do: culvert config set clock/default zone=UTC
}
