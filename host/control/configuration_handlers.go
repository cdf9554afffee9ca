package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func configurationRef(r *http.Request) (tunnel.ConfigurationRef, error) {
	ref, fs := tunnel.ParseConfigurationRef(r.PathValue("module") + "/" + r.PathValue("name"))
	return ref, fs.At("configuration").Err()
}

func (s *Server) listConfigurations(w http.ResponseWriter, r *http.Request) error {
	s.lookBeside(w, r)
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
	warnings, _ := s.look(r.Context())
	return s.answerConfiguration(w, r, http.StatusOK, ref, warnings)
}

// answerConfiguration shows ref as it is now, with the warnings of what was done.
func (s *Server) answerConfiguration(w http.ResponseWriter, r *http.Request, status int, ref tunnel.ConfigurationRef, warnings []string) error {
	c, err := s.Operator.Configuration(r.Context(), ref)
	if err != nil {
		return err
	}
	schema := s.schema(r.Context(), c)
	out := ConfigurationDetail{Configuration: configurationOf(c), Settings: c.Settings, Defaults: defaultsOf(schema, c.Settings),
		Sites: sitesOf(schema, c.Settings), Tunnels: []string{}, Warnings: unique(warnings)}
	if len(out.Settings) == 0 {
		out.Settings = json.RawMessage("{}")
	}
	all, err := s.Operator.ListShown(r.Context())
	if err != nil {
		return err
	}
	for _, shown := range all {
		v := shown.View()
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
	doc, seen, err := s.settings(r.Context(), ref.Module, json.RawMessage("{}"), in.SettingsInput)
	if err != nil {
		return adding(err)
	}
	judged, err := s.validate(r.Context(), ref, doc)
	if err != nil {
		return adding(err)
	}
	warnings, err := s.Operator.AddConfiguration(r.Context(), by(r), ref, doc, !in.Disabled)
	if err != nil {
		return adding(err)
	}
	return s.answerConfiguration(w, r, http.StatusCreated, ref, slices.Concat(seen, judged, warnings))
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
		doc, seen, err := s.settings(r.Context(), ref.Module, c.Settings, in.SettingsInput)
		if err != nil {
			return nil, err
		}
		judged, err := s.validate(r.Context(), ref, doc)
		if err != nil {
			return nil, err
		}
		based := c.Revision
		if in.IfRevision != 0 {
			based = in.IfRevision
		}
		warnings, err := s.Operator.SetConfiguration(r.Context(), by(r), ref, doc, based)
		if in.IfRevision != 0 || try == tries || !errors.Is(err, tunnel.ErrStaleRevision) {
			return slices.Concat(seen, judged, warnings), err
		}
	}
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
	warnings, _ := s.look(r.Context())
	if err := s.Operator.EnableConfiguration(r.Context(), by(r), ref, enabled); err != nil {
		return err
	}
	return s.answerConfiguration(w, r, http.StatusOK, ref, warnings)
}

// removeConfiguration removes it; with ?purge=1 also what its module kept for it.
func (s *Server) removeConfiguration(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	s.lookBeside(w, r)
	if err := s.Operator.RemoveConfiguration(r.Context(), by(r), ref, r.URL.Query().Get("purge") == "1"); err != nil {
		return err
	}
	return done(w)
}
