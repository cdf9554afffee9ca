package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const maxSettings = 1000 // changes in one request

// NewConfiguration asks for a configuration: settings as one document, then each change of Set and Unset on it.
type NewConfiguration struct {
	Module   string `json:"module"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled,omitempty"`
	SettingsInput
}

// ConfigurationEdit changes a configuration's settings.
type ConfigurationEdit struct {
	SettingsInput
	IfRevision uint64 `json:"if_revision,omitempty"` // refused when the configuration's is another; absent takes whatever is there
}

// SettingsInput is settings from a person: a whole document, or single values that the module's schema types.
type SettingsInput struct {
	Settings json.RawMessage `json:"settings,omitempty"` // a JSON object; absent is what is there, "***" keeps a secret
	Set      []Setting       `json:"set,omitempty"`
	Unset    []string        `json:"unset,omitempty"`
}

// Setting is one value under its dotted key, as text.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// settings applies in to doc, by the schema of the module as it is installed now. A module that is gone is judged by
// what it last said of itself, and so is every module while the plugin directory cannot be used.
func (s *Server) settings(ctx context.Context, module tunnel.Owner, doc json.RawMessage, in SettingsInput) (out json.RawMessage, warnings []string, err error) {
	warnings, trouble := s.look(ctx)
	d, err := s.description(ctx, module)
	if err != nil && trouble != nil {
		err = trouble // a look might have found the module, or one that can be used
	}
	if err != nil {
		return nil, nil, err
	}
	if in.Settings != nil {
		doc = in.Settings
	}
	if len(doc) == 0 {
		doc = json.RawMessage("{}")
	}
	doc, fs := s.applySettings(d.Schema, doc, in)
	return doc, warnings, fs.Err()
}

// validate asks the module about settings that are to be stored. Where it cannot be asked they are stored all the same, with a
// warning: they may be what keeps it from starting.
func (s *Server) validate(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (warnings []string, err error) {
	fs, err := s.Modules.Validate(ctx, ref, doc)
	switch {
	case len(fs) > 0:
		return nil, fs
	case err == nil, errors.Is(err, tunnel.ErrNotFound):
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return []string{fmt.Sprintf("module %s could not be asked whether these settings go together: %s", ref.Module, text(err))}, nil
}

// description is what the module says of itself, once it has.
func (s *Server) description(ctx context.Context, module tunnel.Owner) (d tunnel.Description, err error) {
	if err := s.Modules.Described(ctx, module); err != nil && !errors.Is(err, tunnel.ErrNotFound) {
		return d, err
	}
	d, err = s.Operator.Description(ctx, module)
	return d, named(err, module)
}

// applySettings makes each change that can be made and returns what is wrong with the others.
func (s *Server) applySettings(schema, doc json.RawMessage, in SettingsInput) (json.RawMessage, tunnel.Findings) {
	var all tunnel.Findings
	take := func(next json.RawMessage, fs tunnel.Findings) {
		if len(fs) == 0 {
			doc = next
		}
		all = append(all, fs...)
	}
	for _, key := range in.Unset {
		take(s.Settings.Unset(schema, doc, key))
	}
	for _, v := range in.Set {
		take(s.Settings.Set(schema, doc, v.Key, v.Value))
	}
	return doc, all
}

// check is what can be said of the input without the module.
func (in SettingsInput) check() tunnel.Findings {
	var fs tunnel.Findings
	if n := len(in.Set) + len(in.Unset); n > maxSettings {
		fs = append(fs, tunnel.Finding{Code: tunnel.TooMany, Field: "set", Value: fmt.Sprint(n), Message: fmt.Sprintf("there are %d changes", n),
			WayOut: fmt.Sprintf("make at most %d at once, or give the whole document", maxSettings)})
	}
	if doc := bytes.TrimSpace(in.Settings); in.Settings != nil && (len(doc) == 0 || doc[0] != '{') {
		fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "settings", Value: tunnel.Clean(string(doc), 80), Message: "settings are not a JSON object",
			WayOut: `begin with { and write each setting as "key": value`})
	}
	return fs
}
