package registry

import (
	"context"
	"encoding/json"
	"fmt"

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
// configuration are computed anew in the same transaction: where they would break a rule, nothing changes. The pinned host
// key of a site does not follow it to another server or user, and a warning says so where no fingerprint takes its place.
func (r *Registry) SetConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, doc json.RawMessage, ifRevision uint64) (warnings []string, err error) {
	var done *draft
	err = r.change(ctx, by, func(d *draft) error {
		done = d
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
	if err != nil {
		return nil, err
	}
	return append(warnings, done.warnings...), nil
}

func (d *draft) takeSettings(f *family, m *moduleRecord, doc json.RawMessage) ([]string, error) {
	warnings, fs, err := d.reg.takeSettings(d.reading(f, m), doc)
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
		f, err := d.configuration(ref)
		switch {
		case f != nil && f.damaged[""]: // settle removes what has no whole main record
		case err != nil:
			return err
		default:
			f.configuration = nil
		}
		d.purge = purge
		return nil
	})
}

// configuration is the family of a configuration that is there.
func (d *draft) configuration(ref tunnel.ConfigurationRef) (*family, error) {
	if _, fs := tunnel.ParseConfigurationRef(ref.String()); len(fs) > 0 {
		return nil, noConfiguration(ref)
	}
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
	var known []*configured
	r.mu.RLock()
	for _, owner := range sortedKeys(r.configs) {
		for _, f := range r.configurations(owner) {
			known = append(known, r.configured(f))
		}
	}
	r.mu.RUnlock()
	cs := make([]tunnel.Configuration, len(known))
	for i, c := range known {
		cs[i] = c.configuration()
	}
	return cs, nil
}

// Configuration is one configuration, secrets shown as "***".
func (r *Registry) Configuration(ctx context.Context, ref tunnel.ConfigurationRef) (tunnel.Configuration, error) {
	if err := ctx.Err(); err != nil {
		return tunnel.Configuration{}, err
	}
	r.mu.RLock()
	f := r.families[configurationKey(ref)]
	if f == nil {
		r.mu.RUnlock()
		return tunnel.Configuration{}, noConfiguration(ref)
	}
	c := r.configured(f)
	r.mu.RUnlock()
	return c.configuration(), nil
}

// configured is what the index knows of one configuration. Judging its settings takes longer than a lock should.
type configured struct {
	*family
	module    *moduleRecord
	installed bool
	reported  tunnel.ConfigurationStatus
}

func (r *Registry) configured(f *family) *configured {
	return &configured{f, r.modules[f.owner()], r.installed(f.owner()), r.status[f.configurationRef()]}
}

func (c *configured) configuration() tunnel.Configuration {
	doc := json.RawMessage("{}") // without its module nobody knows what in it is secret
	if c.module != nil {
		doc = settings.Redact(c.module.Description.Schema, c.family.configuration.Settings)
	}
	return tunnel.Configuration{
		Ref: c.configurationRef(), Settings: doc, Enabled: c.enabled(), Revision: c.family.configuration.Revision, Status: c.status(),
	}
}

// invalidText says the first finding about settings that are stored, and the line that puts right what can be put right by
// it: a module's new version may know other keys than the one they were made for, and nothing of them is lost meanwhile. A
// secret belongs on no command line, so that one is read from the standard input, of which there is one.
func invalidText(ref tunnel.ConfigurationRef, schema json.RawMessage, fs tunnel.Findings) string {
	const most = 8 // keys of one line
	line, keys, secrets := "culvert config set "+ref.String(), 0, 0
	for _, f := range fs {
		switch {
		case f.Field == "" || keys == most:
			continue
		case f.Code == tunnel.UnknownKey:
			line += " --unset " + f.Field
		case settings.IsSecret(schema, f.Field) && secrets == 0:
			line += " --secret-stdin " + f.Field
			secrets++
		case settings.IsSecret(schema, f.Field):
			line += " --secret-file " + f.Field + "=FILE"
		default:
			line += " " + f.Field + "=VALUE"
		}
		keys++
	}
	text := fs[0].Error()
	if n := len(fs) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	if keys == 0 {
		return text
	}
	return text + "; correct it with: " + line
}

// status is how a configuration is: what the records say comes before what the module host reported.
func (c *configured) status() tunnel.ConfigurationStatus {
	ref := c.configurationRef()
	switch {
	case !c.enabled():
		return tunnel.ConfigurationStatus{State: tunnel.ConfigDisabled}
	case !c.installed:
		return tunnel.ConfigurationStatus{
			State: tunnel.ConfigWaiting, Reason: tunnel.ModuleMissing,
			Message: fmt.Sprintf("the plugin of module %s is not there; culvert module show %s says more", ref.Module, ref.Module),
		}
	}
	if _, fs := checkSettings(ref, c.module, c.family.configuration.Settings); len(fs) > 0 {
		return tunnel.ConfigurationStatus{State: tunnel.ConfigInvalid, Reason: tunnel.SettingsInvalid, Message: invalidText(ref, c.module.Description.Schema, fs)}
	}
	if c.reported.State != "" {
		return c.reported
	}
	return tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting}
}
