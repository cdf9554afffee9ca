// Command flooder is a module of the tests: it writes to what is behind its slot web for ever, reads nothing, and does not
// stop when it is told to. In sent of its directory stands when the connection began that it writes to, and how much it got rid of.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func main() { sdk.Serve(flooder{}) }

type flooder struct{}

type settings struct {
	Site sdk.Site `json:"site" title:"Site" slots:"web,spare"`
}

var slots = []sdk.Slot{
	{Name: "web", Title: "Service", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":80", On: true},
	{Name: "spare", Title: "Another service", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":81", On: true},
}

func (flooder) Describe() sdk.Description {
	return sdk.Description{Name: "flooder", Version: "1.0.0", Slots: slots}
}

func (flooder) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		c, err := in.Dial(ctx, in.Settings.Site.Mapping(slots[0]))
		if err == nil {
			err = flood(c, filepath.Join(in.Dir, "sent"))
		}
		_ = os.WriteFile(filepath.Join(in.Dir, "error"), []byte(err.Error()), 0o600)
		time.Sleep(100 * time.Millisecond)
	}
	return ctx.Err()
}

// flood writes until that is an error, without a deadline.
func flood(c net.Conn, to string) error {
	defer c.Close()
	began := time.Now().UnixNano()
	for sent := 0; ; {
		n, err := c.Write(make([]byte, 64<<10))
		if sent += n; err != nil {
			return err
		}
		if err := os.WriteFile(to, fmt.Appendf(nil, "%d %d", began, sent), 0o600); err != nil {
			return err
		}
	}
}
