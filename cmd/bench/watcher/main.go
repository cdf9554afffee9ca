// Command watcher is the module of the bench. It writes into its configuration's directory when it saw which change, and
// where its settings say so, how long each of its lists of all tunnels took.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func main() { sdk.Serve(watcher{name: filepath.Base(os.Args[0])}) }

type watcher struct{ name string }

type settings struct {
	Lists int `json:"lists" title:"How many lists to take"`
}

func (w watcher) Describe() sdk.Description {
	return sdk.Description{Name: w.name, Version: "1.0.0", Policy: tunnel.Anything}
}

// Run lists first and watches then.
func (watcher) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if in.Settings.Lists > 0 {
		if err := list(ctx, in); err != nil {
			return err
		}
	}
	seen, err := os.Create(filepath.Join(in.Dir, "seen"))
	if err != nil {
		return err
	}
	defer seen.Close()
	for c, err := range in.Watch(ctx) {
		if err != nil {
			return err
		}
		if c.Type == tunnel.Synced || c.Type == tunnel.Changed {
			fmt.Fprintln(seen, time.Now().UnixNano(), c.Type, c.Tunnel.Ref, c.Tunnel.Comment)
		}
	}
	return ctx.Err()
}

// list writes how long each list took, in nanoseconds, and how many tunnels it had; all of it at once.
func list(ctx context.Context, in *sdk.Instance[settings]) error {
	var text []byte
	for range in.Settings.Lists {
		began, n := time.Now(), 0
		for _, err := range in.List(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		text = fmt.Appendln(text, time.Since(began).Nanoseconds(), n)
		time.Sleep(50 * time.Millisecond)
	}
	tmp := filepath.Join(in.Dir, "lists.tmp")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(in.Dir, "lists"))
}
