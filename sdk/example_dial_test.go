package sdk_test

import (
	"bufio"
	"context"
	"fmt"
	"net"

	"github.com/culvert-pbx/culvert/sdk"
)

// door is a module that opens a door at the site.
type door struct{}

type doorSettings struct {
	Site sdk.Site   `json:"site" title:"Site" slots:"opener"`
	PIN  sdk.Secret `json:"pin" title:"PIN of the door" required:"true"`
}

var opener = sdk.Slot{Name: "opener", Title: "Door opener", Kinds: []sdk.Kind{sdk.Reach}, Spec: ":7000", On: true}

func (door) Describe() sdk.Description {
	return sdk.Description{Name: "door", Version: "1.0.0", Slots: []sdk.Slot{opener}}
}

func (door) Run(ctx context.Context, in *sdk.Instance[doorSettings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel(opener)); err != nil {
		return err // shown as the configuration's state; Run is tried again
	}
	c, err := in.Dial(ctx, in.Settings.Site.Mapping(opener)) // waits until the tunnel is there
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(c, "open", in.Settings.PIN.Reveal()); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	in.Log.Info("asked the door", "pin", in.Settings.PIN, "answer", answer[:len(answer)-1])
	return nil // nothing more to do until the configuration changes
}

// A module declares its tunnel and reaches a service through it, without a port on the PBX. In a test, as here, the module
// runs in memory, and the test says what answers at the site.
func ExampleInstance_Dial() {
	w, end := run(door{}, `{"site":{"server":"pbx@site.example.org"},"pin":"1234"}`)
	defer end()
	w.Serve("site/opener", func(c net.Conn) {
		var pin int
		if _, err := fmt.Fscanf(c, "open %d\n", &pin); err == nil && pin == 1234 {
			fmt.Fprintln(c, "it is open")
		}
	})
	showLog(w, "asked")
	// Output:
	// [INFO]  asked the door: pin="***" answer="it is open"
}
