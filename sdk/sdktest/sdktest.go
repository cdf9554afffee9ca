// Package sdktest runs an author's module in the test's own process, against a world in memory that obeys the rules of
// the real host: no daemon, no SSH, no network.
//
//	w := sdktest.Run(t, &module{}, `{"site":{"server":"tunnel@site.example"},"base":"dc=corp"}`, sdktest.Grant("dial 5038"))
//	w.Serve("site/dc1-ldaps", func(c net.Conn) { ... })   // what is at the site
//	w.ServeLocal(5038, func(c net.Conn) { ... })          // and on the module's own machine
//	w.Fault("site", sdktest.Cut)                          // and what goes wrong there
//	w.Heal("site")
//	err := w.Stop()                                       // Run's error; a leak fails the test
//
// The module has a configuration called default, and more by w.Add. What the operator does with it is there (w.Reconfigure,
// w.Grant, w.Disable, w.Remove), a restart of the daemon (w.RestartHost), and everything a [tunneltest.World] does: other
// owners' tunnels (w.AddTunnel, w.Report), other owners' attempts (w.As("tapi").Declare), a watch that fell behind
// (w.FallBehind). All of it works in testing/synctest, where waiting costs no time: see the example.
//
// # What a World refuses, and what it cannot
//
// What the module asks its host for is judged as the host judges it: tunnels of others, kinds and ports outside the policy and
// the slots, settings outside the schema, and ports of its own machine that it was not granted.
//
// What it does without the host, a World cannot hold back, for the code runs in the test's own process, which no sandbox can
// confine without the test: files outside [sdk.Instance].Dir, sockets of its own without the grant network, programs without the
// grant programs, and the sandbox's bounds of memory and descriptors. [ConformanceBinary] runs the built module in the real
// sandbox, where a culvertd is there ([Confined]) and the kernel has it.
//
// # The rules of Conformance
//
// Each is a subtest of its name.
//
//   - Describe: Describe answers without settings and host, always the same, within the bounds of a description.
//   - Schema: The settings have a schema that the host can check by, and each default fits its own field.
//   - Settings: The settings that the module is tried with fit its schema.
//   - Run: Run does not fail or panic with settings that fit, while the sites are there.
//   - Sandbox: A built module runs in the sandbox of the real host as it does without.
//   - DeclareOwn: Run declares no tunnel but those of its own configuration.
//   - DeclareOnce: Every Declare of a run states the same whole set while nothing changes.
//   - EndBeforeDeclare: Run returns within 5 s of the end of its context while it waits in Declare.
//   - EndInDial: Run returns within 5 s of the end of its context while it waits in Dial.
//   - EndInWatch: Run returns within 5 s of the end of its context while it watches the tunnels.
//   - EndAtRest: Run returns within 5 s of the end of its context while it waits for anything else.
//   - EndInFault: Run returns within 5 s of the end of its context while something is wrong with its tunnels.
//   - LeaveNothing: A run that has returned holds no goroutine and no connection any more.
//   - Cut: A lost link ends no run for good, closes no listener and withdraws no tunnel.
//   - Freeze: A link that lets nothing through any more ends no run for good, closes no listener and withdraws no tunnel.
//   - WrongKey: A server that shows another host key ends no run for good, closes no listener and withdraws no tunnel.
//   - LoginRefused: A server that refuses the login ends no run for good, closes no listener and withdraws no tunnel.
//   - TargetRefused: A service that refuses connections ends no run for good, closes no listener and withdraws no tunnel.
//   - SlowLink: Run does not fail while each write takes a quarter of a second.
//   - FullQueue: A watch that fell behind and begins anew ends no run.
//   - Restart: Run withdraws nothing when it ends, and started again it declares what it declared.
//   - HostRestart: Run returns within 2 s when its host is gone, and the next run goes on.
//   - Revoked: A configuration may be disabled, enabled again and removed at any time.
//   - Several: Configurations of one module touch nothing of each other, whatever becomes of one of them.
//   - Directory: Run writes neither where it stands nor at home, but in its own directory.
//   - Secrets: No secret of the settings shows in the log, in an error, in a test, in what is done or in what is measured.
//   - Test: A test has steps, decides each, leaves nothing behind, and ends when it is told to.
//   - Work: Actions and jobs have a title and help, and the host can check what actions are given.
//   - Act: An action or job comes to a result within its limit, its steps decided, and leaves nothing behind.
//   - ActEnds: An action ends within 5 s of the end of its context, and a job of the end of its run, while nothing gets through.
//   - DryRun: A dry run declares nothing and changes no file, and what has none refuses it.
//   - OneAtATime: Of one job there is one run at a time.
//   - Schedule: A job says when it is due next, by a schedule of the grammar, which is every 10 s at the most.
//   - Metrics: What is measured has help and a name without the module's, is bounded and readable, and its counters only rise.
//
// [Rules] has the same list.
package sdktest

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Configuration is the name of the configuration that the module runs for.
const Configuration = "default"

// Grace is how long Run may take to return after its context ended, as the real host allows.
const Grace = 5 * time.Second

// World is the world of one module under test. Its methods are safe for concurrent use but for those that stop or start
// the module (Reconfigure, Restart, RestartHost, Disable, Enable, Remove, Stop, Add, Grant, Revoke), which are the test's own
// to call in a row. Those that a [Configured] has too are about the configuration called default.
type World struct {
	*tunneltest.World
	t      testing.TB
	module wire.Plugin
	said   tunnel.Description
	log    *logger
	sites  *sites
	links  *links
	room   time.Duration // how many times its grace a run has before it is late
	all    []*Configured // the first is that called default
	once   sync.Once
}

// Run installs the module, configures it with settings, a JSON object that is checked by its schema as `culvert config
// set` does, and starts its Run. What is wrong with any of it fails the test. The module is stopped when the test ends,
// if not before.
func Run[S any](t testing.TB, m sdk.Module[S], settings string, with ...Option) *World {
	t.Helper()
	w, err := newWorld(t, sdk.Plugin(m), settings, newOptions(with))
	if err != nil {
		t.Fatal(err)
	}
	w.first().start()
	return w
}

// newWorld is a world in which the module is installed and configured, and does not run yet.
func newWorld(t testing.TB, p wire.Plugin, settings string, o options) (*World, error) {
	d, err := p.Describe()
	if err != nil {
		return nil, fmt.Errorf("describe the module: %w", err)
	}
	w := &World{World: tunneltest.NewWorld(), t: t, module: p, said: d, log: newLogger(t), sites: newSites(o.services)}
	if err := w.AddModule(d); err != nil {
		return nil, fmt.Errorf("install the module: %w", err)
	}
	if err := w.grant(o.granted); err != nil {
		return nil, err
	}
	if _, err := w.configure(Configuration, settings); err != nil {
		return nil, err
	}
	if err := w.serviceNames(o); err != nil {
		return nil, err
	}
	w.links = startLinks(w.World, w.sites, w.owner())
	t.Cleanup(w.end)
	return w, nil
}

func (w *World) owner() tunnel.Owner { return tunnel.Owner(w.said.Name) }

func (w *World) first() *Configured { return w.all[0] }

// Add adds another configuration of the module, as `culvert config add MODULE/NAME` does, and starts its Run beside those that
// run. What is wrong with name or settings fails the test. Its sites are called NAME.SITE by Serve, Connect, Fault and Heal.
func (w *World) Add(name, settings string) *Configured {
	w.t.Helper()
	c, err := w.configure(name, settings)
	if err != nil {
		w.t.Fatal(err)
	}
	c.start()
	return c
}

// configure adds a configuration that does not run yet.
func (w *World) configure(name, settings string) (*Configured, error) {
	c := &Configured{w: w, module: w.module, ref: tunnel.ConfigurationRef{Module: w.owner(), Name: name}, dir: w.t.TempDir()}
	if _, fs := tunnel.ParseConfigurationRef(c.ref.String()); len(fs) > 0 {
		return nil, fmt.Errorf("configure %s: %w", c.ref, fs)
	}
	if slices.ContainsFunc(w.all, func(o *Configured) bool { return o.ref == c.ref && o.there }) {
		return nil, fmt.Errorf("configure %s: %w", c.ref, tunnel.ErrExists)
	}
	if err := w.accept(c.ref, settings); err != nil {
		return nil, fmt.Errorf("configure %s: %w", c.ref, err)
	}
	c.there = true
	w.all = append(w.all, c)
	return c, nil
}

// Serve says what answers behind a reach mapping: SITE/MAPPING, SITE being the settings key or the name of an
// operator-made tunnel of the module. serve is called for each connection in a goroutine of its own, and the connection
// closed when it returns. Until its reach mappings are served a tunnel is connecting, and Dial waits.
func (w *World) Serve(mapping string, serve func(net.Conn)) {
	w.t.Helper()
	if err := w.checkMapping(mapping); err != nil {
		w.t.Errorf("serve %s: %v", mapping, err)
		return
	}
	w.serve(mapping, serve)
}

func (w *World) serve(key string, serve func(net.Conn)) {
	w.sites.change(func() { w.sites.services[key] = serve })
	w.links.refresh()
}

// Connect connects as a machine at the site does, through a private expose mapping: it waits until the module listens
// for SITE/MAPPING, at most 10 s, and what the module writes is read from the connection. While a fault has taken the
// link it is refused.
func (w *World) Connect(mapping string) (net.Conn, error) {
	if err := w.checkMapping(mapping); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", mapping, err)
	}
	site, name := wire.SplitMapping(mapping)
	return w.sites.visitSoon(site, name)
}

// Fault makes something wrong with a site, in place of what was. A site that there is not, and a mapping in Serve, fails the
// test, which says what there is.
func (w *World) Fault(site string, f Fault) {
	w.t.Helper()
	if err := w.checkSite(site); err != nil {
		w.t.Errorf("fault at %s: %v", site, err)
		return
	}
	w.sites.fault(site, f)
	w.links.refresh()
}

// Heal makes all well with a site. Connections that were cut stay cut.
func (w *World) Heal(site string) { w.t.Helper(); w.Fault(site, Fault{}) }

// Log is everything the module has logged so far, a line each: "[INFO]  tunnel: name=operator/office state=up".
func (w *World) Log() string { return w.log.out.text() }

// Reconfigure is [Configured.Reconfigure] of the configuration default, as the following are.
func (w *World) Reconfigure(settings string) error {
	w.t.Helper()
	return w.first().Reconfigure(settings)
}

// Restart stops the module and starts it again, in the directory it had. It returns what the former Run returned.
func (w *World) Restart() error { w.t.Helper(); return w.first().Restart() }

// Disable disables the configuration while the module runs. It returns what Run returned.
func (w *World) Disable() error { w.t.Helper(); return w.first().Disable() }

// Enable enables the configuration again and starts the module.
func (w *World) Enable() { w.t.Helper(); w.first().Enable() }

// Remove removes the configuration while the module runs, with all its tunnels. It returns what Run returned.
func (w *World) Remove() error { w.t.Helper(); return w.first().Remove() }

// Stop ends Run's context and returns the error Run returned, nil for the context's own. It fails the test when Run
// takes longer than Grace, or leaves a goroutine or a connection behind. Stopped again it returns the same.
func (w *World) Stop() error { w.t.Helper(); return w.first().Stop() }

// RestartHost is a restart of the daemon as the module sees it: its calls end with wire.ErrGone, its connections are
// reset, and the contexts of its runs end; each has wire.EndGrace to return. Then the module runs anew, in the directories
// it had and with the tunnels it had, whose links come up again. It returns what the former Run of default returned.
func (w *World) RestartHost() error {
	w.t.Helper()
	ran := w.running()
	w.loseHost()
	for _, c := range ran {
		_ = c.Stop()
	}
	for _, c := range ran {
		c.start()
	}
	return w.first().last
}

// loseHost readies the runs under way for being stopped with their host.
func (w *World) loseHost() {
	for _, c := range w.running() {
		c.run.line.cut()
		c.run.grace = wire.EndGrace
	}
	w.sites.lose(func(origin) bool { return true })
	w.links.renew()
}

// running are the configurations that run now.
func (w *World) running() (ran []*Configured) {
	for _, c := range w.all {
		if c.run != nil {
			ran = append(ran, c)
		}
	}
	return ran
}

// end is for the end of the test.
func (w *World) end() {
	w.once.Do(func() {
		for _, c := range w.all {
			_ = c.Stop()
			c.cut()
		}
		w.links.stop()
		w.sites.end()
		w.log.out.end()
	})
}
