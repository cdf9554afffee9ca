package controltest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
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
	credentials  map[tunnel.Ref]tunnel.Credential
	calls        []string

	statuses []control.ModuleStatus
	intruder bool

	// To be set before they are asked for.
	Lines     []string         // what each module wrote
	Steps     []control.Step   // what a check reports
	Shown     string           // the fingerprint it shows
	OnRestart func(tunnel.Ref) // what restarting a tunnel does
}

// New is a Fake without modules and tunnels.
func New() *Fake {
	return &Fake{
		World: tunneltest.NewWorld(), Events: NewEvents(),
		descriptions: map[tunnel.Owner]tunnel.Description{},
		configs:      map[tunnel.ConfigurationRef]*tunnel.Configuration{},
		pins:         map[tunnel.Ref]tunnel.Pin{},
		credentials:  map[tunnel.Ref]tunnel.Credential{},
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

// SetModules says how the modules are.
func (f *Fake) SetModules(all ...control.ModuleStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses = all
}

func (f *Fake) service() tunnel.Service { return f.World.As(tunnel.Operator) }

// Get is the World's, with the pins set here.
func (f *Fake) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	v, err := f.service().Get(ctx, ref)
	return f.pinned(v), err
}

// List is the World's, with the pins set here.
func (f *Fake) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		for v, err := range f.service().List(ctx) {
			if !yield(f.pinned(v), err) {
				return
			}
		}
	}
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
	return v
}

// AddTunnel adds it to the World; warnings are those of sdk/tunnel.
func (f *Fake) AddTunnel(_ context.Context, by string, t tunnel.Tunnel, cred tunnel.Credential) ([]string, error) {
	if err := f.World.AddTunnel(t); err != nil {
		return nil, err
	}
	f.called(by, "add %s login %s", t.Ref, cred.Login)
	f.keep(t.Ref, cred)
	return tunnel.Warnings(t), nil
}

// EditTunnel puts the edited tunnel into the place of the old one.
func (f *Fake) EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) ([]string, error) {
	v, err := f.service().Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	old, t := v.Tunnel, v.Tunnel
	if e.IfRevision != 0 && e.IfRevision != t.Revision {
		return nil, tunnel.Findings{{Code: tunnel.StaleRevision, Field: "if_revision", Value: fmt.Sprint(e.IfRevision), Message: fmt.Sprintf("%s has revision %d by now", ref, t.Revision), WayOut: "look at it again"}}
	}
	if err := edit(&t, e); err != nil {
		return nil, err
	}
	if err := f.World.RemoveTunnel(ref); err != nil {
		return nil, err
	}
	if err := f.World.AddTunnel(t); err != nil {
		return nil, fmt.Errorf("%w (put back: %v)", err, f.World.AddTunnel(old))
	}
	f.called(by, "edit %s", ref)
	return tunnel.Warnings(t), nil
}

// edit applies e to t.
func edit(t *tunnel.Tunnel, e tunnel.Edit) error {
	if e.Server != nil {
		t.Server = *e.Server
	}
	if e.Credential != nil {
		t.Login = e.Credential.Login
	}
	if e.Fingerprint != nil {
		t.Fingerprint = *e.Fingerprint
	}
	if e.Comment != nil {
		t.Comment = *e.Comment
	}
	named := func(name string) func(tunnel.Mapping) bool {
		return func(m tunnel.Mapping) bool { return m.Name == name }
	}
	t.Mappings = slices.Clone(t.Mappings)
	for _, name := range e.Drop {
		if !slices.ContainsFunc(t.Mappings, named(name)) {
			return tunnel.Findings{{Code: tunnel.NotFound, Field: "drop", Value: name, Message: "there is no mapping " + name, WayOut: "culvert tunnel show lists them"}}
		}
		t.Mappings = slices.DeleteFunc(t.Mappings, named(name))
	}
	for _, m := range e.Set {
		if i := slices.IndexFunc(t.Mappings, named(m.Name)); i >= 0 {
			t.Mappings[i] = m
			continue
		}
		t.Mappings = append(t.Mappings, m)
	}
	return nil
}

// RemoveTunnel is the World's.
func (f *Fake) RemoveTunnel(_ context.Context, by string, ref tunnel.Ref) error {
	if err := f.World.RemoveTunnel(ref); err != nil {
		return err
	}
	f.called(by, "remove %s", ref)
	return nil
}

// SuspendTunnel is the World's.
func (f *Fake) SuspendTunnel(_ context.Context, by string, ref tunnel.Ref, suspended bool) error {
	if err := f.World.Suspend(ref, suspended); err != nil {
		return err
	}
	f.called(by, "suspend %s %t", ref, suspended)
	return nil
}

// SetSecret keeps it for Credential.
func (f *Fake) SetSecret(ctx context.Context, by string, ref tunnel.Ref, cred tunnel.Credential) error {
	if _, err := f.Get(ctx, ref); err != nil {
		return err
	}
	f.called(by, "secret %s login %s", ref, cred.Login)
	f.keep(ref, cred)
	return nil
}

func (f *Fake) keep(ref tunnel.Ref, cred tunnel.Credential) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.credentials[ref] = cred
}

// Credential is what a tunnel was given to log in with.
func (f *Fake) Credential(ref tunnel.Ref) tunnel.Credential {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.credentials[ref]
}

// AcceptKey confirms the pin set by Pin.
func (f *Fake) AcceptKey(ctx context.Context, by string, ref tunnel.Ref) (before, after tunnel.Pin, err error) {
	v, err := f.Get(ctx, ref)
	if err != nil {
		return before, after, err
	}
	before, after = v.Pin, v.Pin
	after.State = tunnel.PinConfirmed
	f.Pin(ref, after)
	f.called(by, "accept-key %s", ref)
	return before, after, nil
}

// Description is what Module was given.
func (f *Fake) Description(_ context.Context, module tunnel.Owner) (tunnel.Description, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.descriptions[module]
	if !ok {
		return d, fmt.Errorf("module %s: %w", module, tunnel.ErrNotFound)
	}
	return d, nil
}

// Configurations are all, in the order of their names.
func (f *Fake) Configurations(context.Context) ([]tunnel.Configuration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []tunnel.Configuration
	for _, c := range f.configs {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b tunnel.Configuration) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
	return all, nil
}

// Configuration is one of them.
func (f *Fake) Configuration(_ context.Context, ref tunnel.ConfigurationRef) (tunnel.Configuration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.configs[ref]
	if !ok {
		return tunnel.Configuration{}, tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
	}
	return *c, nil
}

// AddConfiguration adds it to the World.
func (f *Fake) AddConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, enabled bool) ([]string, error) {
	if _, err := f.Configuration(ctx, ref); err == nil {
		return nil, tunnel.Findings{{Code: tunnel.Exists, Field: "name", Value: ref.String(), Message: "there is a configuration " + ref.String() + " already", WayOut: "culvert config set changes it"}}
	}
	if err := f.World.Configure(ref, doc); err != nil {
		return nil, err
	}
	f.called(by, "configure %s", ref)
	f.mu.Lock()
	f.configs[ref] = &tunnel.Configuration{Ref: ref, Settings: settings.Redact(f.descriptions[ref.Module].Schema, doc), Enabled: true, Revision: 1,
		Status: tunnel.ConfigurationStatus{State: tunnel.ConfigRunning}}
	f.mu.Unlock()
	if enabled {
		return nil, nil
	}
	return nil, f.EnableConfiguration(ctx, by, ref, false)
}

// SetConfiguration changes it in the World.
func (f *Fake) SetConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, ifRevision uint64) ([]string, error) {
	c, err := f.Configuration(ctx, ref)
	if err != nil {
		return nil, err
	}
	if ifRevision != c.Revision {
		return nil, tunnel.Findings{{Code: tunnel.StaleRevision, Field: "if_revision", Value: fmt.Sprint(ifRevision), Message: fmt.Sprintf("%s has revision %d by now", ref, c.Revision), WayOut: "look at it again"}}
	}
	if err := f.World.Configure(ref, doc); err != nil {
		return nil, err
	}
	f.called(by, "set %s", ref)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs[ref].Settings = settings.Redact(f.descriptions[ref.Module].Schema, doc)
	f.configs[ref].Revision++
	return nil, nil
}

// EnableConfiguration is the World's.
func (f *Fake) EnableConfiguration(_ context.Context, by string, ref tunnel.ConfigurationRef, enabled bool) error {
	if err := f.World.Enable(ref, enabled); err != nil {
		return err
	}
	f.called(by, "enable %s %t", ref, enabled)
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.configs[ref]
	c.Enabled, c.Status.State = enabled, tunnel.ConfigDisabled
	if enabled {
		c.Status.State = tunnel.ConfigRunning
	}
	return nil
}

// RemoveConfiguration is the World's.
func (f *Fake) RemoveConfiguration(_ context.Context, by string, ref tunnel.ConfigurationRef, purge bool) error {
	if err := f.World.RemoveConfiguration(ref); err != nil {
		return err
	}
	f.called(by, "remove %s purge %t", ref, purge)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.configs, ref)
	return nil
}
