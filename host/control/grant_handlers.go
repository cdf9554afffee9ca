package control

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// grants are what a module asks for, and what it was given of it.
func (s *Server) grants(ctx context.Context, name tunnel.Owner) ([]Grant, error) {
	d, err := s.Operator.Description(ctx, name)
	if err != nil && ctx.Err() != nil {
		return nil, err // else it has not described itself, or not so that it can be read
	}
	given, err := s.Operator.Grants(ctx, name)
	if err != nil {
		return nil, err
	}
	all := []Grant{}
	for _, g := range d.Grants {
		all = append(all, Grant{Grant: string(g), Granted: slices.Contains(given, g), Words: g.Words()})
	}
	for _, g := range given {
		if !slices.Contains(d.Grants, g) {
			all = append(all, Grant{Grant: string(g), Granted: true, Words: g.Words()})
		}
	}
	return all, nil
}

func (s *Server) grantModule(w http.ResponseWriter, r *http.Request) error {
	return s.regrant(w, r, s.Operator.Grant, false)
}

func (s *Server) revokeModule(w http.ResponseWriter, r *http.Request) error {
	return s.regrant(w, r, s.Operator.Revoke, true)
}

// regrant changes what a module is granted and has its process take that up.
func (s *Server) regrant(w http.ResponseWriter, r *http.Request, change func(context.Context, string, tunnel.Owner, tunnel.Grant) error, less bool) error {
	name, err := moduleName(r)
	if err != nil {
		return err
	}
	var in GrantInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if less && in.Grant == string(Unsandboxed) {
		return s.distrust(w, r, name)
	}
	if _, fs := tunnel.ParseGrant(tunnel.Grant(in.Grant)); len(fs) > 0 {
		return fs.At("grant")
	}
	if _, trouble := s.look(r.Context()); trouble != nil && !less {
		return trouble
	}
	if err := s.awaitDescription(r.Context(), name, less); err != nil {
		return named(err, name)
	}
	warning, err := s.grantable(name, tunnel.Grant(in.Grant), less)
	if err != nil {
		return err
	}
	if err := change(r.Context(), by(r), name, tunnel.Grant(in.Grant)); err != nil {
		return named(err, name)
	}
	return s.regranted(w, r, name, s.Modules.Regrant(r.Context(), by(r), name, tunnel.Grant(in.Grant), less), warning)
}

// distrust takes back that a module runs where nothing confines it.
func (s *Server) distrust(w http.ResponseWriter, r *http.Request, name tunnel.Owner) error {
	e, err := s.Modules.Distrust(r.Context(), by(r), name)
	if err != nil {
		return named(err, name)
	}
	return s.regranted(w, r, name, e, "")
}

// regranted answers what was changed, and warns where that is not all that must be done; of the grant itself, warning does.
func (s *Server) regranted(w http.ResponseWriter, r *http.Request, name tunnel.Owner, e Effect, warning string) (err error) {
	out := Regrant{Name: string(name), Effect: e, Warnings: []string{}}
	if e.Remedy != "" {
		out.Warnings = append(out.Warnings, e.Message+": "+e.Remedy)
	}
	if warning != "" {
		out.Warnings = append(out.Warnings, warning)
	}
	if out.Grants, err = s.grants(r.Context(), name); err != nil {
		return err
	}
	return answer(w, http.StatusOK, out)
}

// grantable says why a grant cannot be given, or warns; what it is can always be taken back.
func (s *Server) grantable(name tunnel.Owner, g tunnel.Grant, less bool) (warning string, err error) {
	if less {
		return "", nil
	}
	return s.Modules.Grantable(name, g)
}

// awaitDescription waits for the description of a module that was installed a moment ago; what is taken back needs none.
func (s *Server) awaitDescription(ctx context.Context, name tunnel.Owner, less bool) error {
	if less {
		return nil
	}
	_, err := s.Operator.Description(ctx, name)
	if errors.Is(err, tunnel.ErrNotFound) {
		err = s.Modules.Described(ctx, name)
	}
	return err
}
