package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Line is one line of a module's log.
type Line struct {
	Line string `json:"line"`
}

func moduleName(r *http.Request) (tunnel.Owner, error) {
	name := r.PathValue("module")
	return tunnel.Owner(name), tunnel.CheckName(name, tunnel.MaxName).At("module").Err()
}

func (s *Server) listModules(w http.ResponseWriter, r *http.Request) error {
	s.lookBeside(w, r)
	all, err := s.modules(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, all)
}

func (s *Server) showModule(w http.ResponseWriter, r *http.Request) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	s.lookBeside(w, r)
	all, err := s.modules(r.Context())
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Name == string(name) {
			return answer(w, http.StatusOK, m)
		}
	}
	return tunnel.Findings{noModule(name)}
}

// noModule says that name is not installed.
func noModule(name tunnel.Owner) tunnel.Finding {
	return tunnel.Finding{Code: tunnel.NotFound, Field: "module", Value: tunnel.Clean(string(name), 80),
		Message: fmt.Sprintf("there is no module %s", tunnel.Clean(string(name), 80)),
		WayOut:  "culvert module list shows those that are installed; a module is a file of its name in the plugin directory"}
}

// modules are all modules, each with the configurations and tunnels of its name.
func (s *Server) modules(ctx context.Context) ([]Module, error) {
	found, err := s.Modules.List(ctx)
	if err != nil {
		return nil, err
	}
	all, at := []Module{}, map[tunnel.Owner]int{}
	for _, m := range found {
		at[m.Name] = len(all)
		all = append(all, moduleOf(m))
	}
	configurations, err := s.Operator.Configurations(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range configurations {
		if i, ok := at[c.Ref.Module]; ok {
			all[i].Configurations = append(all[i].Configurations, c.Ref.Name)
		}
	}
	for name, i := range at {
		if all[i].Grants, err = s.grants(ctx, name); err != nil {
			return nil, err
		}
	}
	tunnels, err := s.Operator.ListShown(ctx)
	if err != nil {
		return nil, err
	}
	for _, shown := range tunnels {
		ref := shown.View().Ref
		if i, ok := at[ref.Owner]; ok {
			all[i].Tunnels = append(all[i].Tunnels, string(ref.Name))
		}
	}
	return all, nil
}

func (s *Server) restartModule(w http.ResponseWriter, r *http.Request) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	if _, trouble := s.look(r.Context()); trouble != nil {
		return trouble
	}
	if err := s.Modules.Restart(r.Context(), by(r), name); err != nil {
		return named(err, name)
	}
	return done(w)
}

func (s *Server) acceptModule(w http.ResponseWriter, r *http.Request) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	if _, trouble := s.look(r.Context()); trouble != nil {
		return trouble
	}
	before, after, err := s.Modules.Accept(r.Context(), by(r), name, r.URL.Query().Get("unsandboxed") == "1")
	if err != nil {
		return named(err, name)
	}
	grants, err := s.grants(r.Context(), name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, Acceptance{Name: string(name), Before: before, After: after, Grants: grants,
		Settings: settings.Compare(before.Schema, after.Schema)})
}

// moduleSettings shows what the module's configurations may set, as it says of itself.
func (s *Server) moduleSettings(w http.ResponseWriter, r *http.Request) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	s.lookBeside(w, r)
	d, err := s.description(r.Context(), name)
	if err != nil {
		return err
	}
	schema := d.Schema
	if len(schema) == 0 {
		schema = json.RawMessage(`{"type":"object","additionalProperties":false}`)
	}
	return answer(w, http.StatusOK, ModuleSettings{
		Name: string(name), Version: d.Version, Schema: schema, Keys: append([]settings.Key{}, settings.Keys(schema)...),
		Slots: append([]tunnel.Slot{}, d.Slots...), Policy: d.Policy,
	})
}

func (s *Server) moduleLog(w http.ResponseWriter, r *http.Request) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	return many(s, w, r, "line", func(ctx context.Context) iter.Seq2[Line, error] {
		return func(yield func(Line, error) bool) {
			for l, err := range s.Modules.Log(ctx, name, following(r)) {
				if !yield(Line{Line: l}, named(err, name)) {
					return
				}
			}
		}
	})
}

// named gives a bare ErrNotFound its sentence.
func named(err error, name tunnel.Owner) error {
	var fs tunnel.Findings
	if errors.Is(err, tunnel.ErrNotFound) && !errors.As(err, &fs) {
		return tunnel.Findings{noModule(name)}
	}
	return err
}
