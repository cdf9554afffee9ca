// Command asking is a module that asks for grants, in two versions: the second asks for another one.
package main

import (
	"context"
	"fmt"
	"net"

	"github.com/culvert-pbx/culvert/sdk"
)

var version = "1.0.0" // set by the linker

func main() { sdk.Serve(asking{}) }

type asking struct{}

func (asking) Describe() sdk.Description {
	d := sdk.Description{Name: "asking", Version: version, Grants: []sdk.Grant{"dial 5038", "serve 5039", "read /var/log/asterisk"}}
	if version != "1.0.0" {
		d.Grants = []sdk.Grant{"dial 5038", "network"}
	}
	return d
}

type settings struct {
	Serve int `json:"serve" title:"Port to answer at" default:"5039"`
}

// Run greets whoever connects to its port of this machine.
func (asking) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	l, err := in.ListenLocal(in.Settings.Serve)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		var c net.Conn
		if c, err = l.Accept(); err != nil {
			return ctx.Err()
		}
		fmt.Fprintln(c, "hello from the module")
		c.Close()
	}
}
