// Package host is the daemon, assembled: what it is made of, in which order that starts and ends.
//
// cmd/culvertd calls Run. The parts do not know each other; each states what it needs, and this package joins them:
// registry and store, sealer and journal, supervisor and SSH engine, module host and wire, control API.
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/journal"
	"github.com/culvert-pbx/culvert/host/netwatch"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/registry"
	"github.com/culvert-pbx/culvert/host/seal"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/supervisor"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store/boltstore"
)

// daemon is what runs between the start and the end of Run.
type daemon struct {
	config     Config
	log        hclog.Logger
	keys       sshtunnel.KeyPair
	journal    *journal.Journal
	store      *boltstore.DB
	damage     error // of the store, as found at start
	registry   *registry.Registry
	modules    *pluginhost.Host
	supervisor *supervisor.Supervisor
	control    *control.Server
	listener   net.Listener
}

// Run starts the daemon, calls ready once it answers operators, and runs it until ctx ends. Then it frees the ports at
// the sites, ends the modules, closes the registry and returns nil; that takes at most ten seconds or so. An error says
// what to do. Starting needs neither network nor DNS.
func Run(ctx context.Context, c Config, version string, log hclog.Logger, ready func()) error {
	if fs := c.Check(); len(fs) > 0 {
		return fs
	}
	d := &daemon{config: c, log: log}
	defer d.close()
	if err := d.open(ctx, version); err != nil {
		return err
	}
	return d.run(ctx, ready)
}

// open makes the parts, none of which does anything yet.
func (d *daemon) open(ctx context.Context, version string) (err error) {
	d.sayWhatIsMissing()
	if d.store, err = boltstore.Open(filepath.Join(d.config.StateDir, "registry.db"), boltstore.Options{}); err != nil {
		return fmt.Errorf("open the registry: %w", err)
	}
	if d.journal, err = journal.Open(filepath.Join(d.config.StateDir, "events"), journal.Options{Trouble: d.journalTrouble}); err != nil {
		return fmt.Errorf("open the events: %w", err)
	}
	if d.damage = d.store.Verify(ctx); d.damage != nil {
		d.log.Error("the registry is damaged; what is damaged is not used, the rest works", "error", d.damage)
	}
	secrets, err := seal.Open(seal.Options{
		CredentialsDir: os.Getenv("CREDENTIALS_DIRECTORY"), KeyFile: d.config.KeyFile, StateDir: d.config.StateDir,
	})
	if err != nil {
		return fmt.Errorf("open the key of the secrets: %w", err)
	}
	if o := secrets.Origin(); o.Made {
		d.log.Info("made the key of the secrets; without it the secrets of a restored registry are unreadable", "path", o.Path)
	}
	if d.keys, err = sshtunnel.LoadKeyPair(d.config.StateDir); err != nil {
		return fmt.Errorf("load the key pair of this PBX: %w", err)
	}
	d.registry, err = registry.Open(ctx, registry.Config{
		Store: d.store, Sealer: sealer{secrets}, Tell: d.journal.Append, Log: d.log.Named("registry"), Recount: d.recount,
	})
	if err != nil {
		return fmt.Errorf("read the registry: %w", err)
	}
	sockets := pluginhost.Sockets{Dir: filepath.Dir(d.config.Socket)}
	d.modules = pluginhost.New(pluginhost.Config{
		Dir: d.config.PluginDir, StateDir: d.config.StateDir, SocketDir: sockets.Dir,
		AllowOwn: d.config.AllowOwnPlugins, TimeZone: d.config.Timezone,
		Own:     []string{d.config.KeyFile, d.config.File, d.config.Socket, os.Getenv("CREDENTIALS_DIRECTORY")},
		Catalog: d.registry, Service: d.registry.As, Tell: d.journal.Append, Log: d.log.Named("modules"),
	})
	d.supervisor = supervisor.New(supervisor.Config{
		Source: d.registry, Engine: engine{keys: d.keys, limits: sshtunnel.NewLimits(), crossing: sshtunnel.NewCrossing()}, Log: d.log.Named("tunnels"),
		Sockets: privateSockets(sockets, d.modules), DialLocal: localDialer(sockets, d.modules, d.registry.MayPublish),
		Relay: func(client, site supervisor.Conn) { sshtunnel.Relay(client, site) },
	})
	return d.openControl(version)
}

// recount is the supervisor's, as soon as there is one.
func (d *daemon) recount(refs ...tunnel.Ref) {
	if d.supervisor != nil {
		d.supervisor.Recount(refs...)
	}
}

func (d *daemon) openControl(version string) error {
	l, token, err := control.Listen(d.config.Socket)
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	d.listener = l
	d.control = control.New(control.Config{
		Operator: d.registry, Modules: modules{d.modules}, Links: links{d.supervisor},
		Journal: d.journal, Keys: keys{d.keys, d.registry}, Settings: settingsEditor{}, Health: d.health,
		Token: token, IsModule: d.modules.IsModuleProcess, Tell: d.journal.Append, Version: version, Log: d.log.Named("control"),
	})
	return nil
}

// run runs all parts until ctx ends or one of them cannot go on, and then ends the others.
func (d *daemon) run(ctx context.Context, ready func()) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var parts sync.WaitGroup
	for name, part := range map[string]func(context.Context) error{
		"tunnels": d.supervisor.Run,
		"modules": d.modules.Run,
		"network": d.watchNetwork,
		"control": func(ctx context.Context) error { return d.control.Serve(ctx, d.listener) },
	} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				d.log.Error("a part of the daemon ended", "part", name, "error", err)
				fail(fmt.Errorf("%s: %w", name, err))
			} else if ctx.Err() == nil {
				fail(fmt.Errorf("%s: ended by itself", name))
			}
		})
	}
	ready()
	d.log.Info("ready", "socket", d.config.Socket, "state", d.config.StateDir)
	<-ctx.Done()
	began := time.Now()
	d.log.Info("stopping")
	parts.Wait()
	d.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// watchNetwork has the tunnels hear of changes of this machine's network.
func (d *daemon) watchNetwork(ctx context.Context) error {
	log := d.log.Named("network")
	return netwatch.Watch(ctx, log, func(c netwatch.Change) {
		log.Debug("the network changed", "slept", c.Woke)
		d.supervisor.Moved(c.Has, c.Woke)
	})
}

// close lets go of what open has opened, last first.
func (d *daemon) close() {
	if d.listener != nil {
		d.listener.Close()
	}
	if d.registry != nil {
		d.registry.Flush()
	}
	if d.journal != nil {
		if err := d.journal.Close(); err != nil {
			d.log.Error("close the events", "error", err)
		}
	}
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.log.Error("close the registry", "error", err)
		}
	}
}

// sayWhatIsMissing warns of a part of the state that is gone while others are there: a daemon that starts anew without a
// word would look well with no tunnels, or be refused by every site.
func (d *daemon) sayWhatIsMissing() {
	there := func(name string) bool {
		info, err := os.Stat(filepath.Join(d.config.StateDir, name))
		return err == nil && info.Size() > 0
	}
	switch registry, keys := there("registry.db"), there("id_ed25519"); {
	case keys && !registry:
		d.log.Warn("there is no registry, but the key pair of a former one: starting with no tunnels; put back a copy of registry.db if that is not meant",
			"state", d.config.StateDir)
	case registry && !keys:
		d.log.Warn("the key pair of this PBX is gone: a new one is made, and every site must let it in (culvert key show), or put back id_ed25519",
			"state", d.config.StateDir)
	}
}

// health says what is wrong with the registry itself, for `culvert status`.
func (d *daemon) health() []control.Problem {
	reason := string(tunnel.RecordDamaged)
	remedy := fmt.Sprintf("stop the daemon and put back a copy of %s from before the damage, or make again what is missing",
		filepath.Join(d.config.StateDir, "registry.db"))
	var out []control.Problem
	for _, key := range d.registry.Damaged() {
		out = append(out, control.Problem{Subject: "registry", Reason: &reason, Remedy: remedy,
			Message: "the record " + tunnel.Clean(key, 200) + " is damaged and left out"})
	}
	if d.damage != nil && len(out) == 0 {
		out = append(out, control.Problem{Subject: "registry", Reason: &reason, Remedy: remedy,
			Message: "the registry is damaged, and what is damaged is left out: " + tunnel.Clean(d.damage.Error(), 300)})
	}
	return out
}

func (d *daemon) journalTrouble(err error) {
	if err != nil {
		d.log.Error("events cannot be written; they are lost until this is mended", "error", err)
		return
	}
	d.log.Info("events are written again")
}
