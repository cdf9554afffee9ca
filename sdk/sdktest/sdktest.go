// Package sdktest runs an author's module in the test's own process, against a world in memory that obeys the rules of
// the real host: no daemon, no SSH, no network.
//
//	w := sdktest.Run(t, &module{}, `{"site":{"server":"tunnel@site.example"},"base":"dc=corp"}`)
//	w.Serve("site/dc1-ldaps", func(c net.Conn) { ... })   // what is at the site
//	w.Fault("site", sdktest.Cut)                          // and what goes wrong there
//	w.Heal("site")
//	err := w.Stop()                                       // Run's error; a leak fails the test
//
// The module has one configuration, called default. Everything a [tunneltest.World] does is there too: other owners'
// tunnels (w.AddTunnel), other owners' attempts (w.As("tapi").Declare), the operator's (w.Suspend). It works in
// testing/synctest, where waiting costs no time.
package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Configuration is the name of the configuration that the module runs for.
const Configuration = "default"

// Grace is how long Run may take to return after its context ended, as the real host allows.
const Grace = 5 * time.Second

// World is the world of one module under test. Its methods are safe for concurrent use but for Reconfigure, Restart and
// Stop, which are the test's own to call in a row.
type World struct {
	*tunneltest.World
	t      testing.TB
	module wire.Plugin
	ref    tunnel.ConfigurationRef
	schema json.RawMessage
	dir    string
	log    *logger
	sites  *sites
	links  *links
	run    *run // nil when stopped
	once   sync.Once
	last   error
}

// Run installs the module, configures it with settings, a JSON object that is checked by its schema as `culvert config
// set` does, and starts its Run. What is wrong with any of it fails the test. The module is stopped when the test ends,
// if not before.
func Run[S any](t testing.TB, m sdk.Module[S], settings string) *World {
	t.Helper()
	p := sdk.Plugin(m)
	d, err := p.Describe()
	if err != nil {
		t.Fatalf("describe the module: %v", err)
	}
	w := &World{
		World: tunneltest.NewWorld(), t: t, module: p, schema: d.Schema, dir: t.TempDir(), log: newLogger(t), sites: newSites(),
		ref: tunnel.ConfigurationRef{Module: tunnel.Owner(d.Name), Name: Configuration},
	}
	if err := w.AddModule(d); err != nil {
		t.Fatalf("install the module: %v", err)
	}
	if err := w.Configure(w.ref, json.RawMessage(settings)); err != nil {
		t.Fatalf("configure %s: %v", w.ref, err)
	}
	w.links = startLinks(w.World, w.sites, w.ref.Module)
	t.Cleanup(w.end)
	w.start()
	return w
}

// Serve says what answers behind a reach mapping: SITE/MAPPING, SITE being the settings key or the name of an
// operator-made tunnel of the module. serve is called for each connection in a goroutine of its own, and the connection
// closed when it returns. Until its reach mappings are served a tunnel is connecting, and Dial waits.
func (w *World) Serve(mapping string, serve func(net.Conn)) {
	w.sites.change(func() { w.sites.services[mapping] = serve })
	w.links.refresh()
}

// Connect connects as a machine at the site does, through a private expose mapping: it waits until the module listens
// for SITE/MAPPING, at most 10 s, and what the module writes is read from the connection. While a fault has taken the
// link it is refused.
func (w *World) Connect(mapping string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	site, name := wire.SplitMapping(mapping)
	return w.sites.visit(ctx, site, name)
}

// Fault makes something wrong with a site, in place of what was.
func (w *World) Fault(site string, f Fault) {
	w.sites.fault(site, f)
	w.links.refresh()
}

// Heal makes all well with a site. Connections that were cut stay cut.
func (w *World) Heal(site string) { w.Fault(site, Fault{}) }

// Log is everything the module has logged so far, a line each: "[INFO]  tunnel: name=operator/office state=up".
func (w *World) Log() string { return w.log.out.text() }

// Reconfigure gives the configuration other settings, as `culvert config set` does: what is wrong with them is returned
// and changes nothing, else the module is stopped and runs with the new ones.
func (w *World) Reconfigure(settings string) error {
	w.t.Helper()
	if err := w.Configure(w.ref, json.RawMessage(settings)); err != nil {
		return err
	}
	_ = w.Stop()
	w.start()
	return nil
}

// Restart stops the module and starts it again. It returns what the former Run returned.
func (w *World) Restart() error {
	w.t.Helper()
	err := w.Stop()
	w.start()
	return err
}

// Stop ends Run's context and returns the error Run returned, nil for the context's own. It fails the test when Run
// takes longer than Grace, or leaves a goroutine or a connection behind. Stopped again it returns the same.
func (w *World) Stop() error {
	w.t.Helper()
	if w.run == nil {
		return w.last
	}
	r := w.run
	w.run = nil
	w.last = r.stop(w.t)
	if stacks := leaked(r.mark); stacks != "" {
		w.t.Errorf("Run returned and left goroutines behind:\n%s", stacks)
	}
	for _, name := range w.sites.left() {
		w.t.Errorf("Run returned and left a connection of %s open", name)
	}
	return w.last
}

// end is for the end of the test.
func (w *World) end() {
	w.once.Do(func() {
		_ = w.Stop()
		w.links.stop()
		w.sites.end()
		w.log.out.end()
	})
}

// start begins a run with the present settings.
func (w *World) start() {
	w.run = startRun(w.module, w.asRun())
}

// asRun is what a run, or a test, is given.
func (w *World) asRun() wire.Run {
	return wire.Run{
		Configuration: Configuration, Settings: w.given(), Dir: w.dir, Log: w.log,
		Host: host{w.As(w.ref.Module), w.ref.Module, w.sites},
	}
}

// given are the settings as the real host gives them: without the passwords of sites and of their proxies.
func (w *World) given() json.RawMessage {
	doc := w.Settings(w.ref)
	shown, secrets := settings.Part(w.schema, doc)
	for site := range settings.Sites(w.schema, doc) {
		delete(secrets, site+".password")
		delete(secrets, site+".via_password")
	}
	return settings.Join(w.schema, shown, secrets)
}

// run is one run of the module.
type run struct {
	mark   string
	cancel context.CancelFunc
	ended  chan error
}

func startRun(p wire.Plugin, r wire.Run) *run {
	ctx, cancel := context.WithCancel(context.Background())
	out := &run{mark: newMark(), cancel: cancel, ended: make(chan error, 1)}
	go marked(ctx, out.mark, func(ctx context.Context) { out.ended <- p.Run(ctx, r) })
	return out
}

// stop returns how Run ended.
func (r *run) stop(t testing.TB) error {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	case <-time.After(Grace):
		t.Errorf("Run has not returned %v after its context ended", Grace)
		return context.DeadlineExceeded
	}
}
