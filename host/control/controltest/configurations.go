package controltest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

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

// SetConfiguration changes it in the World, where its revision is still that.
func (f *Fake) SetConfiguration(_ context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, ifRevision uint64) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.configs[ref]
	if !ok {
		return nil, tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
	}
	if ifRevision != c.Revision {
		return nil, tunnel.Findings{{Code: tunnel.StaleRevision, Field: "if_revision", Value: fmt.Sprint(ifRevision), Message: fmt.Sprintf("%s has revision %d by now", ref, c.Revision), WayOut: "look at it again"}}
	}
	if err := f.World.Configure(ref, doc); err != nil {
		return nil, err
	}
	f.calls = append(f.calls, fmt.Sprintf("set %s by %s", ref, by))
	c.Settings = settings.Redact(f.descriptions[ref.Module].Schema, doc)
	c.Revision++
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
