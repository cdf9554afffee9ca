// Domain controllers of Samba make themselves certificates of which about half have a negative serial number, which Go
// would not even read. They are pinned, so nothing rests on that number.
//
//go:debug x509negativeserial=1

// Command adsync is the module that keeps the users of the PBX as they are in a directory of the site, Active Directory
// or OpenLDAP, and tells the PBX whether a password is right. See README.md.
//
// It reaches the directory through its tunnel alone, without a port on the PBX.
package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/sdk"
)

func main() {
	frugal()
	sdk.Serve(newModule())
}

// frugal has garbage collected rather earlier than Go would: a large directory makes much of it, there is time, and memory
// belongs to the PBX.
func frugal() { debug.SetGCPercent(25) }

// version is the module's, shown by `culvert module show`.
const version = "1.0.0"

// adsync is the module. It keeps for each configuration that one synchronisation runs at a time.
type adsync struct{ turns *turns }

func newModule() adsync { return adsync{newTurns()} }

func (adsync) Describe() sdk.Description {
	return sdk.Description{Name: "adsync", Version: version, Slots: allSlots, Grants: append(adapter.Grants(), loginGrant)}
}

// Run declares the site's tunnel, and answers the PBX's questions about passwords where that is wanted. Synchronising is
// a job. Where the PBX's files cannot be opened, questions are answered as where the directory is out of reach, until they
// can; without questions there is nothing to run for.
func (m adsync) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if fs := in.Settings.Validate(); len(fs) > 0 {
		return fs
	}
	if err := ready(in); err != nil {
		if !in.Settings.Login.On {
			return err
		}
		in.Log.Error("nobody can be synchronised or log in until this is mended; the login check answers so", "error", err)
	}
	if err := in.Declare(ctx, in.Settings.Site.Tunnel(in.Settings.slots()...)); err != nil {
		return err
	}
	if !in.Settings.Login.On {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.serveLogins(ctx, in)
}

// ready makes good what a crash left of the PBX's files, and shows at once where they cannot be written.
func ready(in *sdk.Instance[settings]) error {
	users, err := adapter.Open(in.Settings.PBX, in.Dir, in.DialLocal)
	if err != nil {
		err = fmt.Errorf("open the users of the PBX: %w", err)
		if wayOut := adapter.WayOut(err, "adsync/"+in.Configuration); wayOut != "" {
			err = fmt.Errorf("%w; %s", err, wayOut)
		}
		return err
	}
	return users.Close()
}
