package registry

import (
	"context"
	"encoding/json"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// AddConfiguration adds a configuration of a module that is known. Secrets in the settings are sealed apart.
func (r *Registry) AddConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, enabled bool) (warnings []string, err error) {
	if _, fs := tunnel.ParseConfigurationRef(ref.String()); len(fs) > 0 {
		return nil, fs
	}
	err = r.change(ctx, by, func(d *draft) (err error) {
		f, err := d.family(configurationKey(ref))
		if err != nil {
			return err
		}
		if f.exists() {
			return tunnel.Findings{exists("configuration", ref.String(), "choose another name, or change it with culvert config set "+ref.String())}
		}
		m, err := d.module(ref.Module)
		if err != nil {
			return err
		}
		if m == nil {
			return tunnel.Findings{noModule(ref.Module)}
		}
		*f = family{key: f.key, configuration: &configurationRecord{Node: tunnel.Node, Enabled: enabled}}
		warnings, err = d.takeSettings(f, m, doc)
		return err
	})
	return warnings, err
}

// SetConfiguration replaces the settings. A secret shown as "***" stays as it is. The tunnels declared for the
// configuration are computed anew in the same transaction: where they would break a rule, nothing changes.
func (r *Registry) SetConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, ifRevision uint64) (warnings []string, err error) {
	err = r.change(ctx, by, func(d *draft) error {
		f, m, err := d.configured(ref)
		if err != nil {
			return err
		}
		if ifRevision != 0 && ifRevision != f.configuration.Revision {
			return tunnel.Findings{stale("configuration", ref.String(), ifRevision, f.configuration.Revision)}
		}
		warnings, err = d.takeSettings(f, m, doc)
		return err
	})
	return warnings, err
}

func (d *draft) takeSettings(f *family, m *moduleRecord, doc json.RawMessage) ([]string, error) {
	warnings, fs, err := d.reg.takeSettings(f, m, doc)
	if err != nil {
		return nil, err
	}
	d.findings = append(d.findings, fs...)
	return warnings, nil
}

// EnableConfiguration enables or disables a configuration. Its records and reserved ports stay either way.
func (r *Registry) EnableConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, enabled bool) error {
	return r.change(ctx, by, func(d *draft) error {
		f, err := d.configuration(ref)
		if err == nil {
			f.configuration.Enabled = enabled
		}
		return err
	})
}

// RemoveConfiguration removes a configuration with its secrets and all that is known of the tunnels declared for it.
// purge is told to whoever keeps the module's own files (see Runs).
func (r *Registry) RemoveConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, purge bool) error {
	return r.change(ctx, by, func(d *draft) error {
		f, err := d.family(configurationKey(ref))
		switch {
		case err != nil:
			return err
		case !f.exists() && !f.damaged[""]:
			return noConfiguration(ref)
		}
		f.configuration = nil
		d.purge = purge
		return nil
	})
}

// configuration is the family of a configuration that is there.
func (d *draft) configuration(ref tunnel.ConfigurationRef) (*family, error) {
	f, err := d.family(configurationKey(ref))
	if err == nil && !f.exists() {
		err = noConfiguration(ref)
	}
	return f, err
}

// configured is the family of a configuration whose module is known.
func (d *draft) configured(ref tunnel.ConfigurationRef) (*family, *moduleRecord, error) {
	f, err := d.configuration(ref)
	if err != nil {
		return nil, nil, err
	}
	m, err := d.module(ref.Module)
	if err == nil && m == nil {
		err = tunnel.Findings{noModule(ref.Module)}
	}
	return f, m, err
}

// Configurations are all configurations, by name, secrets shown as "***".
func (r *Registry) Configurations(ctx context.Context) ([]tunnel.Configuration, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	var cs []tunnel.Configuration
	for _, owner := range sortedKeys(r.configs) {
		for _, f := range r.configurations(owner) {
			cs = append(cs, r.configurationOf(f))
		}
	}
	return cs, nil
}

// Configuration is one configuration, secrets shown as "***".
func (r *Registry) Configuration(ctx context.Context, ref tunnel.ConfigurationRef) (tunnel.Configuration, error) {
	if err := ctx.Err(); err != nil {
		return tunnel.Configuration{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	f := r.families[configurationKey(ref)]
	if f == nil {
		return tunnel.Configuration{}, noConfiguration(ref)
	}
	return r.configurationOf(f), nil
}

func (r *Registry) configurationOf(f *family) tunnel.Configuration {
	m := r.modules[f.owner()]
	doc := json.RawMessage("{}")
	if m != nil {
		doc = settings.Redact(m.Description.Schema, f.configuration.Settings)
	}
	return tunnel.Configuration{
		Ref: f.configurationRef(), Settings: doc, Enabled: f.configuration.Enabled,
		Revision: f.configuration.Revision, Status: r.statusOf(f, m),
	}
}

// statusOf is how a configuration is: what the records say comes before what the module host reported.
func (r *Registry) statusOf(f *family, m *moduleRecord) tunnel.ConfigurationStatus {
	ref := f.configurationRef()
	switch {
	case !f.configuration.Enabled:
		return tunnel.ConfigurationStatus{State: tunnel.ConfigDisabled, Message: "culvert config enable " + ref.String()}
	case !r.installed(ref.Module):
		return tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting, Reason: tunnel.ModuleMissing, Message: "the binary of module " + string(ref.Module) + " is missing or unusable"}
	}
	if _, fs := checkSettings(ref, m, f.configuration.Settings); len(fs) > 0 {
		return tunnel.ConfigurationStatus{State: tunnel.ConfigInvalid, Reason: tunnel.SettingsInvalid, Message: fs[0].Error()}
	}
	if s, ok := r.status[ref]; ok {
		return s
	}
	return tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting}
}
