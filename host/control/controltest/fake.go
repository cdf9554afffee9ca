package controltest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// Fake is what stands behind the API: control.Operator over a World, with what a World has no place for beside it.
// Safe for concurrent use.
type Fake struct {
	World  *tunneltest.World
	Events *Events

	watching atomic.Int32

	mu           sync.Mutex
	descriptions map[tunnel.Owner]tunnel.Description
	configs      map[tunnel.ConfigurationRef]*tunnel.Configuration
	pins         map[tunnel.Ref]tunnel.Pin
	wider        map[tunnel.Ref][]string
	credentials  map[tunnel.Ref]tunnel.Credential
	calls        []string
	grants       map[tunnel.Owner][]tunnel.Grant

	statuses []control.ModuleStatus
	intruder bool

	CheckSpacing time.Duration // of the daemon, to be set before it starts; short, so that tests need not wait

	// To be set before they are asked for.
	Lines      []string                                                                                  // what each module wrote
	Steps      []control.Step                                                                            // what a check reports, and a test
	OnCheck    func(context.Context, control.CheckRequest)                                               // what it does first
	Shown      string                                                                                    // the fingerprint it shows
	OnRestart  func(tunnel.Ref)                                                                          // what restarting a tunnel does
	OnTest     func(context.Context, tunnel.ConfigurationRef, json.RawMessage, func(control.Step)) error // what a test does instead
	OnValidate func(tunnel.ConfigurationRef, json.RawMessage) (tunnel.Findings, error)                   // what the module says of settings
	OnAct      func(context.Context, control.Ask, func(tunnel.ActReport)) (tunnel.Result, error)         // what an action or job does
	AllJobs    []control.ConfigurationJobs                                                               // how the jobs are
	OnLooked   func(context.Context)                                                                     // what happens before the modules were looked at first
	OnJobs     func(context.Context)                                                                     // what they do first who are asked
	Effect     control.Effect                                                                            // what becomes of a process when its module's grants change
	Reserved   string                                                                                    // a path that no grant opens
	Hollow     string                                                                                    // why no grant opens what it says
	Unsafe     error                                                                                     // why the plugin directory cannot be looked at
}

// New is a Fake without modules and tunnels.
func New() *Fake {
	return &Fake{
		World: tunneltest.NewWorld(), Events: NewEvents(), CheckSpacing: time.Millisecond,
		descriptions: map[tunnel.Owner]tunnel.Description{},
		configs:      map[tunnel.ConfigurationRef]*tunnel.Configuration{},
		pins:         map[tunnel.Ref]tunnel.Pin{},
		wider:        map[tunnel.Ref][]string{},
		credentials:  map[tunnel.Ref]tunnel.Credential{},
		grants:       map[tunnel.Owner][]tunnel.Grant{},
	}
}

// Calls are the changes that were asked for, each with who asked.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Fake) called(by, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...)+" by "+by)
}

// SetIsModule makes every peer a process of the module intruder, or none.
func (f *Fake) SetIsModule(is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intruder = is
}

func (f *Fake) isModule(int) (tunnel.Owner, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "intruder", f.intruder
}

// SetConfigurationStatus says how a configuration is that was added, until it is enabled or disabled.
func (f *Fake) SetConfigurationStatus(ref tunnel.ConfigurationRef, s tunnel.ConfigurationStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs[ref].Status = s
}

// SetModules says how the modules are.
func (f *Fake) SetModules(all ...control.ModuleStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses = all
}

func (f *Fake) service() tunnel.Service { return f.World.As(tunnel.Operator) }

// Get is the World's, with the pins and accepted mappings set here.
func (f *Fake) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	v, err := f.service().Get(ctx, ref)
	return f.pinned(v), err
}

// ListShown is the World's, with the pins and accepted mappings set here.
func (f *Fake) ListShown(ctx context.Context) (all []*tunnel.Shown, err error) {
	for v, err := range f.service().List(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, tunnel.Show(f.pinned(v)))
	}
	return all, nil
}

// Watch is the World's.
func (f *Fake) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		f.watching.Add(1)
		defer f.watching.Add(-1)
		for c, err := range f.service().Watch(ctx) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// Watchers is how many watches there are now.
func (f *Fake) Watchers() int { return int(f.watching.Load()) }

// Pin sets what is known of a server's host key.
func (f *Fake) Pin(ref tunnel.Ref, p tunnel.Pin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pins[ref] = p
}

func (f *Fake) pinned(v tunnel.View) tunnel.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.pins[v.Ref]; ok {
		v.Pin = p
	}
	v.AcceptWider = f.wider[v.Ref]
	return v
}
