package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/template"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Templates are the templates that NewTunnel and TunnelEdit may name.
func (c *Client) Templates(ctx context.Context) ([]template.Template, error) {
	return get[[]template.Template](ctx, c, "/v1/templates")
}

func (s *Server) listTemplates(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, template.All())
}

// parseTemplates reads all of in; findings name templates[i].
func parseTemplates(in []string) (uses []template.Use, fs tunnel.Findings) {
	if n := len(in); n > tunnel.MaxMappings {
		return nil, tunnel.Findings{{Code: tunnel.TooMany, Field: "templates", Message: fmt.Sprintf("there are %d templates", n),
			WayOut: fmt.Sprintf("use at most %d", tunnel.MaxMappings)}}
	}
	for i, text := range in {
		u, more := template.Parse(text)
		fs = append(fs, more.At(fmt.Sprintf("templates[%d]", i))...)
		uses = append(uses, u)
	}
	return uses, fs
}

// insertTemplates puts in.Templates behind in.Set, with names and ports that neither those nor kept, which the tunnel has,
// use already.
func (in TunnelEdit) insertTemplates(e *tunnel.Edit, kept []tunnel.Mapping) (warnings []string, fs tunnel.Findings) {
	uses, fs := parseTemplates(in.Templates)
	if len(fs) > 0 {
		return nil, fs
	}
	list := slices.DeleteFunc(slices.Clone(kept), func(m tunnel.Mapping) bool {
		return slices.Contains(e.Drop, m.Name) || slices.ContainsFunc(e.Set, func(o tunnel.Mapping) bool { return o.Name == m.Name }) ||
			slices.ContainsFunc(uses, func(u template.Use) bool { return u.Names(m.Name) })
	})
	list = append(list, e.Set...)
	all, warnings := template.Insert(list, uses)
	e.Set = append(e.Set, all[len(list):]...)
	return warnings, nil
}

// keptFor are the mappings that ref has, where templates go beside them. The edit then is based on what was read.
func (s *Server) keptFor(ctx context.Context, ref tunnel.Ref, in *TunnelEdit) ([]tunnel.Mapping, error) {
	if len(in.Templates) == 0 {
		return nil, nil
	}
	v, err := s.Operator.Get(ctx, ref)
	if err == nil && in.IfRevision == 0 {
		in.IfRevision = v.Revision
	}
	return v.Mappings, err
}
