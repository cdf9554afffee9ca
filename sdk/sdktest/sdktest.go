// Package sdktest runs an author's module in the test's own process, against a world in memory that obeys the rules of
// the real host: no daemon, no SSH, no network.
//
//	w := sdktest.Run(t, &module{}, `{"site":{"server":"tunnel@site.example"},"base":"dc=corp"}`)
//	w.Serve("site/dc1-ldaps", func(c net.Conn) { ... })   // what is at the site
//	w.Fault("site", sdktest.Cut)                          // and what goes wrong there
//	w.Heal("site")
//	err := w.Stop()                                       // Run's error; a leak fails the test
//
// The module has one configuration, called default. What the operator does with it is there (w.Reconfigure, w.Disable,
// w.Remove), a restart of the daemon (w.RestartHost), and everything a [tunneltest.World] does: other owners' tunnels
// (w.AddTunnel, w.Report), other owners' attempts (w.As("tapi").Declare), a watch that fell behind (w.FallBehind). All of
// it works in testing/synctest, where waiting costs no time: see the example.
//
// [Conformance] is what every module shall pass, and [ConformanceBinary] the same for its binary.
package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// World is the world of one module under test. Its methods are safe for concurrent use but for those that stop or start
// the module (Reconfigure, Restart, RestartHost, Disable, Enable, Remove, Stop), which are the test's own to call in a row.
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
	run    *run          // nil when stopped
	room   time.Duration // how many times its grace a run has before it is late
	lines  []*line
	once   sync.Once
	last   error
}

// Run installs the module, configures it with settings, a JSON object that is checked by its schema as `culvert config
// set` does, and starts its Run. What is wrong with any of it fails the test. The module is stopped when the test ends,
// if not before.
func Run[S any](t testing.TB, m sdk.Module[S], settings string) *World {
	t.Helper()
	w, err := newWorld(t, sdk.Plugin(m), settings)
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

// newWorld is a world in which the module is installed and configured, and does not run yet.
func newWorld(t testing.TB, p wire.Plugin, settings string) (*World, error) {
	d, err := p.Describe()
	if err != nil {
		return nil, fmt.Errorf("describe the module: %w", err)
	}
	w := &World{
		World: tunneltest.NewWorld(), t: t, module: p, schema: d.Schema, dir: t.TempDir(), log: newLogger(t), sites: newSites(),
		ref: tunnel.ConfigurationRef{Module: tunnel.Owner(d.Name), Name: Configuration},
	}
	if err := w.AddModule(d); err != nil {
		return nil, fmt.Errorf("install the module: %w", err)
	}
	if err := w.Configure(w.ref, json.RawMessage(settings)); err != nil {
		return nil, fmt.Errorf("configure %s: %w", w.ref, err)
	}
	w.links = startLinks(w.World, w.sites, w.ref.Module)
	t.Cleanup(w.end)
	return w, nil
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

// Restart stops the module and starts it again, in the directory it had. It returns what the former Run returned.
func (w *World) Restart() error {
	w.t.Helper()
	err := w.Stop()
	w.start()
	return err
}

// Disable disables the configuration while the module runs, as `culvert config disable` does: its tunnels become inactive,
// their connections are reset, and the module is stopped. It returns what Run returned.
func (w *World) Disable() error {
	w.t.Helper()
	if err := w.World.Enable(w.ref, false); err != nil {
		w.t.Errorf("disable %s: %v", w.ref, err)
	}
	return w.Stop()
}

// Enable enables the configuration again and starts the module.
func (w *World) Enable() {
	w.t.Helper()
	if err := w.World.Enable(w.ref, true); err != nil {
		w.t.Errorf("enable %s: %v", w.ref, err)
	}
	w.start()
}

// Remove removes the configuration while the module runs, with all its tunnels. It returns what Run returned.
func (w *World) Remove() error {
	w.t.Helper()
	if err := w.RemoveConfiguration(w.ref); err != nil {
		w.t.Errorf("remove %s: %v", w.ref, err)
	}
	return w.Stop()
}

// RestartHost is a restart of the daemon as the module sees it: its calls end with wire.ErrGone, its connections are
// reset, and Run's context ends; Run has wire.EndGrace to return. Then the module runs anew, in the directory
// it had and with the tunnels it had, whose links come up again. It returns what the former Run returned.
func (w *World) RestartHost() error {
	w.t.Helper()
	w.loseHost()
	err := w.Stop()
	w.start()
	return err
}

// loseHost readies a run under way for being stopped with its host.
func (w *World) loseHost() {
	if w.run != nil {
		w.run.line.cut()
		w.run.grace = wire.EndGrace
	}
	w.sites.lose("")
	w.links.renew()
}

// Stop ends Run's context and returns the error Run returned, nil for the context's own. It fails the test when Run
// takes longer than Grace, or leaves a goroutine or a connection behind. Stopped again it returns the same.
func (w *World) Stop() error {
	w.t.Helper()
	for _, wrong := range w.stop().wrong() {
		w.t.Errorf("%s", wrong)
	}
	return w.last
}

// stop stops the module, if it runs.
func (w *World) stop() (e ending) {
	if w.run == nil {
		return e
	}
	r := w.run
	w.run = nil
	e.grace = r.grace
	w.last, e.late = r.stop(max(w.room, 1) * r.grace)
	e.goroutines, e.connections = leaked(r.mark), w.sites.left()
	return e
}

// ending is how a run ended.
type ending struct {
	grace       time.Duration // it had
	late        bool          // it took longer
	goroutines  string        // the stacks of those it left behind
	connections []string      // it left open, by mapping
}

// wrong says what is wrong with it.
func (e ending) wrong() (wrong []string) {
	if e.late {
		wrong = append(wrong, fmt.Sprintf("Run has not returned %v after its context ended", e.grace))
	}
	if e.goroutines != "" {
		wrong = append(wrong, "Run returned and left goroutines behind:\n"+e.goroutines)
	}
	for _, name := range e.connections {
		wrong = append(wrong, fmt.Sprintf("Run returned and left a connection of %s open", name))
	}
	return wrong
}

// end is for the end of the test.
func (w *World) end() {
	w.once.Do(func() {
		_ = w.Stop()
		for _, l := range w.lines { // what a run left behind may still wait there
			l.cut()
		}
		w.links.stop()
		w.sites.end()
		w.log.out.end()
	})
}

// start begins a run with the present settings.
func (w *World) start() {
	l := w.newLine()
	w.run = startRun(w.module, w.asRun(l), l)
}

// asRun is what a run, or a test, is given.
func (w *World) asRun(h wire.Host) wire.Run {
	return wire.Run{Configuration: Configuration, Settings: w.given(), Dir: w.dir, Log: w.log, Host: h}
}

// newLine is a connection to the host, for one run or test.
func (w *World) newLine() *line {
	l := newLine(host{w.As(w.ref.Module), w.ref.Module, w.sites})
	w.lines = append(w.lines, l)
	return l
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
	line   *line
	cancel context.CancelFunc
	grace  time.Duration
	ended  chan error
}

func startRun(p wire.Plugin, r wire.Run, l *line) *run {
	ctx, cancel := context.WithCancel(context.Background())
	out := &run{mark: newMark(), line: l, cancel: cancel, grace: Grace, ended: make(chan error, 1)}
	go marked(ctx, out.mark, func(ctx context.Context) { out.ended <- p.Run(ctx, r) })
	return out
}

// stop returns how Run ended, and whether it has not within the time.
func (r *run) stop(within time.Duration) (err error, late bool) {
	r.cancel()
	select {
	case err := <-r.ended:
		if errors.Is(err, context.Canceled) {
			return nil, false
		}
		return err, false
	case <-time.After(within):
		return context.DeadlineExceeded, true
	}
}
