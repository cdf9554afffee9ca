package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

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
	IfRevision uint64 `json:"if_revision,omitempty"` // refused when the configuration's is another; 0 takes whatever is there
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

const maxSettings = 1000 // changes in one request

func configurationRef(r *http.Request) (tunnel.ConfigurationRef, error) {
	ref, fs := tunnel.ParseConfigurationRef(r.PathValue("module") + "/" + r.PathValue("name"))
	return ref, fs.At("configuration").Err()
}

func (s *Server) listConfigurations(w http.ResponseWriter, r *http.Request) error {
	all := []Configuration{}
	found, err := s.Operator.Configurations(r.Context())
	if err != nil {
		return err
	}
	for _, c := range found {
		all = append(all, configurationOf(c))
	}
	return answer(w, http.StatusOK, all)
}

func (s *Server) showConfiguration(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	return s.answerConfiguration(w, r, http.StatusOK, ref, nil)
}

// answerConfiguration shows ref as it is now, after a change that gave warnings.
func (s *Server) answerConfiguration(w http.ResponseWriter, r *http.Request, status int, ref tunnel.ConfigurationRef, warnings []string) error {
	c, err := s.Operator.Configuration(r.Context(), ref)
	if err != nil {
		return err
	}
	out := ConfigurationDetail{Configuration: configurationOf(c), Settings: c.Settings, Tunnels: []string{}, Warnings: unique(warnings)}
	if len(out.Settings) == 0 {
		out.Settings = json.RawMessage("{}")
	}
	for v, err := range s.Operator.List(r.Context()) {
		if err != nil {
			return err
		}
		if v.Ref.Owner == ref.Module && v.Configuration == ref.Name {
			out.Tunnels = append(out.Tunnels, string(v.Ref.Name))
		}
	}
	return answer(w, status, out)
}

func (s *Server) addConfiguration(w http.ResponseWriter, r *http.Request) error {
	var in NewConfiguration
	if err := decode(w, r, &in); err != nil {
		return err
	}
	ref, fs := tunnel.ParseConfigurationRef(in.Module + "/" + in.Name)
	if fs = append(fs, in.check()...); len(fs) > 0 {
		return fs
	}
	doc, err := s.settings(r.Context(), ref.Module, json.RawMessage("{}"), in.SettingsInput)
	if err != nil {
		return adding(err)
	}
	warnings, err := s.Operator.AddConfiguration(r.Context(), by(r), ref, doc, !in.Disabled)
	if err != nil {
		return adding(err)
	}
	return s.answerConfiguration(w, r, http.StatusCreated, ref, warnings)
}

func (s *Server) setConfiguration(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	var in ConfigurationEdit
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if fs := in.check(); len(fs) > 0 {
		return fs
	}
	warnings, err := s.changeSettings(r, ref, in)
	if err != nil {
		return err
	}
	return s.answerConfiguration(w, r, http.StatusOK, ref, warnings)
}

// changeSettings edits what is stored and writes it back as long as nobody else wrote in between: then it begins
// again, unless the caller named the revision the edit is based on.
func (s *Server) changeSettings(r *http.Request, ref tunnel.ConfigurationRef, in ConfigurationEdit) ([]string, error) {
	const tries = 5
	for try := 1; ; try++ {
		c, err := s.Operator.Configuration(r.Context(), ref)
		if err != nil {
			return nil, err
		}
		doc, err := s.settings(r.Context(), ref.Module, c.Settings, in.SettingsInput)
		if err != nil {
			return nil, err
		}
		based := c.Revision
		if in.IfRevision != 0 {
			based = in.IfRevision
		}
		warnings, err := s.Operator.SetConfiguration(r.Context(), by(r), ref, doc, based)
		if in.IfRevision != 0 || try == tries || !errors.Is(err, tunnel.ErrStaleRevision) {
			return warnings, err
		}
	}
}

// settings applies in to doc, by the schema of the module as it is installed now.
func (s *Server) settings(ctx context.Context, module tunnel.Owner, doc json.RawMessage, in SettingsInput) (json.RawMessage, error) {
	if err := s.Modules.Look(ctx); err != nil {
		return nil, err
	}
	if err := s.Modules.Described(ctx, module); err != nil && !errors.Is(err, tunnel.ErrNotFound) {
		return nil, err
	}
	d, err := s.Operator.Description(ctx, module)
	if err != nil {
		return nil, named(err, module)
	}
	if in.Settings != nil {
		doc = in.Settings
	}
	if len(doc) == 0 {
		doc = json.RawMessage("{}")
	}
	var fs, more tunnel.Findings
	for _, key := range in.Unset {
		next := doc
		if next, more = s.Settings.Unset(d.Schema, doc, key); len(more) == 0 {
			doc = next
		}
		fs = append(fs, more...)
	}
	for _, v := range in.Set {
		next := doc
		if next, more = s.Settings.Set(d.Schema, doc, v.Key, v.Value); len(more) == 0 {
			doc = next
		}
		fs = append(fs, more...)
	}
	return doc, fs.Err()
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

func (s *Server) enableConfiguration(w http.ResponseWriter, r *http.Request) error {
	return s.switchConfiguration(w, r, true)
}

func (s *Server) disableConfiguration(w http.ResponseWriter, r *http.Request) error {
	return s.switchConfiguration(w, r, false)
}

func (s *Server) switchConfiguration(w http.ResponseWriter, r *http.Request, enabled bool) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	if err := s.Modules.Look(r.Context()); err != nil {
		return err
	}
	if err := s.Operator.EnableConfiguration(r.Context(), by(r), ref, enabled); err != nil {
		return err
	}
	return s.answerConfiguration(w, r, http.StatusOK, ref, nil)
}

// removeConfiguration removes it; with ?purge=1 also what its module kept for it.
func (s *Server) removeConfiguration(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	if err := s.Operator.RemoveConfiguration(r.Context(), by(r), ref, r.URL.Query().Get("purge") == "1"); err != nil {
		return err
	}
	return done(w)
}
