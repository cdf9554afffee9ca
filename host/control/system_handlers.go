package control

import (
	"context"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Key is the PBX's own public key.
type Key struct {
	AuthorizedKey string `json:"authorized_key"` // one authorized_keys line
}

// Version is the daemon's.
type Version struct {
	Version string `json:"version"`
}

func (s *Server) getKey(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, Key{AuthorizedKey: s.Keys.AuthorizedKey()})
}

func (s *Server) getVersion(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, Version{Version: s.Version})
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	out, err := s.status(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, out)
}

func (s *Server) status(ctx context.Context) (Status, error) {
	if err := s.awaitLook(ctx); err != nil {
		return Status{}, err
	}
	out, jobs := newStatus(), s.askJobs(ctx)
	if s.Health != nil {
		for _, p := range s.Health() {
			out.problem(p.Subject, p.Reason, p.Message, p.Remedy)
		}
	}
	configurations, err := s.Operator.Configurations(ctx)
	if err != nil {
		return out, err
	}
	listed, needed := map[tunnel.ConfigurationRef]Configuration{}, map[tunnel.Owner]bool{}
	for _, c := range configurations {
		needed[c.Ref.Module] = needed[c.Ref.Module] || c.Enabled
	}
	modules, err := s.Modules.List(ctx)
	if err != nil {
		return out, err
	}
	for _, m := range modules {
		out.module(moduleOf(m), needed[m.Name])
	}
	for _, c := range configurations {
		listed[c.Ref] = configurationOf(c)
		out.configuration(listed[c.Ref])
	}
	tunnels, err := s.tunnels(ctx, "")
	if err != nil {
		return out, err
	}
	for t := range tunnels {
		out.tunnel(t)
	}
	all, err := jobs()
	if err != nil {
		return out, err
	}
	for _, c := range all {
		d, _ := s.Operator.Description(ctx, c.Of.Module) // without one no limit is known
		out.jobs(c, listed[c.Of], d)
	}
	return out, nil
}
