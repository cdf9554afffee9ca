// Package pluginhost runs modules: plugin binaries in a directory, each in a process of its own.
//
// The daemon makes one [Host] and calls [Host.Run]; the control API asks it for the modules, restarts and accepts them.
// A program that makes a Host calls [LaunchIfAsked] before anything else.
//
// It promises: what is executed is what was hashed, and is root's; a binary runs under its name only after the operator
// accepted it, the first one apart; a module's process has nothing of the host's environment, dies with the host, and is
// ended with everything it started within a known time; it reaches the host through one connection, to which its name is
// bound; and no module, whatever it does or fails to do, keeps another from running.
//
// A module has a process only while one of its configurations is enabled. Each of these is one Run in it, tried again
// when it fails, ended when it is disabled or changed.
package pluginhost

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Catalog is what the host of the modules needs of the registry. It is safe for concurrent use.
type Catalog interface {
	// Module returns the binary accepted under that name and what it said of itself; ok is false where none was yet. An
	// error is a record that cannot be read: the operator must accept a binary again.
	Module(ctx context.Context, name tunnel.Owner) (sha256 string, d tunnel.Description, ok bool, err error)

	// PinModule accepts a binary under that name. by is operator:UID, or host for the first one. Findings mean that its
	// description breaks a rule.
	PinModule(ctx context.Context, by string, name tunnel.Owner, sha256 string, d tunnel.Description) error

	// Grants are what the operator granted the module beyond its sandbox.
	Grants(ctx context.Context, name tunnel.Owner) ([]tunnel.Grant, error)

	// Unsandboxed is the checksum of the binary that the operator lets run where nothing confines it, "" for none.
	Unsandboxed(ctx context.Context, name tunnel.Owner) (sha256 string, err error)

	// AllowUnsandboxed lets the accepted binary, which has that checksum, run where nothing confines it.
	AllowUnsandboxed(ctx context.Context, by string, name tunnel.Owner, sha256 string) error

	// SetPresent says which modules are installed now. It must not call back.
	SetPresent(present []tunnel.Owner)

	// Runs yields every configuration and then each that changed, until ctx ends.
	Runs(ctx context.Context) iter.Seq2[tunnel.Run, error]

	// RunSettings returns the settings to run with, the module's own secrets revealed, passwords of sites left out.
	RunSettings(ctx context.Context, ref tunnel.ConfigurationRef) (json.RawMessage, error)

	// TrialSettings returns the same as it would be with doc in place of the stored settings, and the paths of the sites
	// that doc gives otherwise than they are stored. It stores nothing.
	TrialSettings(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (_ json.RawMessage, elsewhere []string, err error)

	// CandidateSettings is TrialSettings for a configuration that need not be there yet.
	CandidateSettings(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (json.RawMessage, error)

	// ReportConfiguration is told how a configuration's run is. It must not call back.
	ReportConfiguration(ref tunnel.ConfigurationRef, s tunnel.ConfigurationStatus)
}

// Config is what a Host is made of. All of it is required but Own and TimeZone.
type Config struct {
	Dir       string   // the plugin directory: one file a module, called what the module is called
	StateDir  string   // below it: modules/MODULE, modules/MODULE.log
	SocketDir string   // see Sockets
	AllowOwn  bool     // binaries may be the daemon's own user's, not only root's
	Own       []string // further files and directories of the daemon's that no grant opens, such as its key; "" is none
	TimeZone  string   // IANA name, TZ of the modules; "" is the machine's

	Catalog Catalog
	Service func(tunnel.Owner) tunnel.Service // the registry as that module sees it
	Tell    func(tunnel.Event)                // the journal. It must not call back
	Log     hclog.Logger
}

// Times that only tests change.
const (
	startTimeout = 10 * time.Second // from the fork to the description
	lookEvery    = 5 * time.Second
)

// Host runs the modules of one plugin directory. Its methods are safe for concurrent use, also before Run.
type Host struct {
	cfg          Config
	sockets      Sockets
	startTimeout time.Duration
	lookEvery    time.Duration
	testLimit    time.Duration
	resolver     []string
	bounds       bounds // of each module's processes together
	roll         roll   // of what modules' processes lead, and who ends it when this process is killed
	heir         heir
	copies       copies
	support      sandbox.Support // what modules are confined by
	cages        *sandbox.Groups // that bound them, nil where there are none

	looking chan struct{}     // full while a look is under way: one at a time
	looked  chan struct{}     // closed when the first one has ended
	ended   func()            // closes it
	hashes  map[string]hashed // by file name, for the look under way

	measured measured // by the modules

	mu      sync.Mutex
	modules map[tunnel.Owner]*module
	groups  map[int]tunnel.Owner // the process groups that are alive
	run     func(*module)        // starts a module's goroutines; nil unless Run runs
}

// New makes a Host that runs nothing yet.
func New(cfg Config) *Host {
	looked := make(chan struct{})
	return &Host{
		copies: copies{filepath.Join(cfg.StateDir, "modules", ".kept"), maxCopy},
		cfg:    cfg, sockets: Sockets{Dir: cfg.SocketDir}, startTimeout: startTimeout, lookEvery: lookEvery, testLimit: tunnel.TestLimit, resolver: resolverFiles, bounds: moduleBounds, support: sandbox.Detect(),
		looking: make(chan struct{}, 1), looked: looked, ended: sync.OnceFunc(func() { close(looked) }),
		modules: make(map[tunnel.Owner]*module), groups: make(map[int]tunnel.Owner), hashes: make(map[string]hashed),
	}
}

// Run runs the modules until ctx ends, then ends every process, and returns. It returns an error at once where the
// socket directory cannot be used, and later where the catalog ends its stream. It is called once.
func (h *Host) Run(ctx context.Context) error {
	if err := h.prepare(); err != nil {
		return err
	}
	h.confineAll()
	defer h.heir.close()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	h.admit(func(m *module) { wg.Go(func() { m.work(ctx) }) })
	defer h.admit(nil)

	trouble := h.lookAndLog(ctx, nil) // before any configuration is heard of, or its module would seem to be missing
	wg.Go(func() { h.lookRegularly(ctx, trouble) })
	for r, err := range h.cfg.Catalog.Runs(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the configurations: %w", err)
		}
		if err := h.setRun(ctx, r); err != nil {
			h.cfg.Log.Error("configuration cannot run", "configuration", r.Ref, "error", err)
		}
	}
	<-ctx.Done()
	return nil
}

// prepare clears away what a daemon before left.
func (h *Host) prepare() error {
	ended, err := endRolls(h.sockets.rolls())
	if err != nil {
		return fmt.Errorf("end what a daemon before left: %w", err)
	}
	if ended > 0 {
		h.cfg.Log.Warn("ended processes of modules that had outlived the daemon before", "processes", ended)
	}
	if err := h.sockets.clear(); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	if err := h.makeWires(); err != nil {
		return err
	}
	own, err := os.MkdirTemp(h.sockets.rolls(), "")
	if err != nil {
		return err
	}
	h.roll = roll(own)
	modules := filepath.Join(h.cfg.StateDir, "modules")
	if err := os.MkdirAll(modules, 0o700); err != nil {
		return err
	}
	if err := h.copies.prepare(); err != nil {
		return err
	}
	for _, left := range []string{filepath.Join(modules, "*", ".tmp"), h.describeDir(), filepath.Join(h.trash(), "*")} {
		paths, err := filepath.Glob(left)
		if err != nil {
			return err
		}
		for _, path := range paths {
			h.tidy(path)
		}
	}
	return nil
}

// makeWires makes the directory below which wires are. It lies with the state, and only a link to it beside the sockets: a
// module can make plain files there, and must not fill the memory that /run often is.
func (h *Host) makeWires() error {
	dir := filepath.Join(h.cfg.StateDir, "modules", ".wire")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Symlink(dir, h.sockets.wire())
}

// admit has every module that is known now, or later, worked for by run; with nil no further ones.
func (h *Host) admit(run func(*module)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.run = run
	if run == nil {
		return
	}
	for _, m := range h.modules {
		run(m)
	}
}

// setRun takes what shall be of one configuration.
func (h *Host) setRun(ctx context.Context, r tunnel.Run) error {
	if _, fs := tunnel.ParseConfigurationRef(r.Ref.String()); len(fs) > 0 {
		return fs // it becomes a directory's name
	}
	m, err := h.module(ctx, r.Ref.Module)
	if err != nil {
		return err
	}
	m.takeRun(r)
	return nil
}

// module returns the module of that name, made known by that.
func (h *Host) module(ctx context.Context, name tunnel.Owner) (*module, error) {
	if m := h.lookup(name); m != nil {
		return m, nil
	}
	sha, d, ok, err := h.cfg.Catalog.Module(ctx, name)
	trusted, trustErr := h.cfg.Catalog.Unsandboxed(ctx, name)
	refusal := h.copies.refusal(name)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.modules[name]; m != nil {
		return m, nil
	}
	m := newModule(h, name)
	m.rejected = refusal
	if trustErr == nil { // else the operator is asked again
		m.trusted = trusted
	}
	switch {
	case err != nil:
		m.lost = err
	case ok:
		m.pin = &Binary{SHA256: sha, Description: d}
	}
	h.modules[name] = m
	if h.run != nil {
		h.run(m)
	}
	return m, nil
}

func (h *Host) lookup(name tunnel.Owner) *module {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.modules[name]
}

// all are the modules in the order of their names.
func (h *Host) all() []*module {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*module
	for _, name := range slices.Sorted(maps.Keys(h.modules)) {
		all = append(all, h.modules[name])
	}
	return all
}

// seen keeps the list of living process groups.
func (h *Host) seen(name tunnel.Owner, pid int, alive bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if alive {
		h.groups[pid] = name
	} else {
		delete(h.groups, pid)
	}
}

// IsModuleProcess reports whether the process belongs to a module, by its process group, and to which.
func (h *Host) IsModuleProcess(pid int) (tunnel.Owner, bool) {
	group, err := unix.Getpgid(pid)
	if err != nil {
		group = pid // it ended meanwhile; or it is a module's own
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if name, ok := h.groups[group]; ok {
		return name, true
	}
	name, ok := h.groups[pid]
	return name, ok
}
