package sdk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Instance is one run, or test, of a module: its settings, and the host as the module may use it. Its methods are safe for
// concurrent use and end with the context given to them.
type Instance[S any] struct {
	Settings      S
	Log           hclog.Logger // the module's log, with the configuration's name
	Configuration string       // NAME of the configuration
	Dir           string       // a directory of this configuration's own, which stays
	Metrics       *Metrics     // what is measured of this run (Measurer)

	ctx     context.Context // the run's
	host    wire.Host
	owner   tunnel.Owner
	granted []tunnel.Grant
	testing bool     // it is of a test, which changes nothing
	live    *live[S] // the run; nil in a test

	mu        sync.Mutex
	listeners []net.Listener
}

// Declare states the whole set of tunnels of this configuration, all or nothing: what it leaves out is withdrawn, none
// withdraws all. It returns at commit, not when the tunnels are up; a set equal to the stored one changes nothing. When
// it is refused, the former set stands, and the error holds tunnel.Findings that list everything wrong with it.
//
// Declarations come from [Site.Tunnel]. One without a Ref gets the module's own; one of another owner's is refused with
// tunnel.ErrNotOwner.
func (in *Instance[S]) Declare(ctx context.Context, set ...tunnel.Declaration) error {
	if in.testing {
		return errors.New("declare in a test: a test changes nothing, the module's Run declares")
	}
	var named []tunnel.Declaration
	for _, d := range set {
		if d.Ref == (tunnel.Ref{}) {
			if d.Settings == "" {
				continue // a site without a server
			}
			d.Ref = tunnel.Ref{Owner: in.owner, Name: tunnel.SettingsName(in.Configuration, d.Settings)}
		}
		named = append(named, d)
	}
	err := in.host.Declare(ctx, in.Configuration, named)
	if err == nil {
		in.live.begin()
	}
	return err
}

// List yields every tunnel of every owner in the order of their names, as of one moment. An error is its last element.
func (in *Instance[S]) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return in.host.List(ctx)
}

// Watch yields the present state of every tunnel of every owner, tunnel.Synced, and then every change of a record, state
// or reason. A reader that falls behind gets tunnel.Resync and the whole again. Its last element is the error it ended
// with, the context's where that ended.
func (in *Instance[S]) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return in.host.Watch(ctx)
}

// DialLocal connects to a port of the machine that the module runs on, 127.0.0.1, where a service of the PBX answers. The
// module's description must ask for the grant "dial PORT"; until the operator gave it, DialLocal is refused
// (tunnel.ErrPolicyRefused, with the command that gives it). Deadlines and half-close work on the connection.
func (in *Instance[S]) DialLocal(ctx context.Context, port int) (net.Conn, error) {
	return in.host.DialLocal(ctx, port)
}

// ListenLocal returns the listener at which what connects to a port of this machine, 127.0.0.1, arrives. The module's
// description must ask for the grant "serve PORT", as for DialLocal. A port that something else has is
// tunnel.ErrPortCollision. Closing the listener gives the port up, within a second; it is closed when Run returns.
func (in *Instance[S]) ListenLocal(port int) (net.Listener, error) {
	if in.testing {
		return nil, fmt.Errorf("listen at local port %d in a test: what arrives there is for the module's Run", port)
	}
	return in.keep(in.host.ListenLocal(in.ctx, port))
}

// keep has a listener closed when the run ends.
func (in *Instance[S]) keep(l net.Listener, err error) (net.Listener, error) {
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.listeners = append(in.listeners, l)
	return l, nil
}

// close ends what the run left listening, so that the next run can listen again.
func (in *Instance[S]) close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	var errs []error
	for _, l := range in.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
