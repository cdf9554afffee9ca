package control

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Configuration is one set of settings of a module as it is listed.
type Configuration struct {
	Module   string  `json:"module"`
	Name     string  `json:"name"`
	Enabled  bool    `json:"enabled"`
	State    string  `json:"state"` // disabled, invalid, waiting, running, done or failed
	Reason   *string `json:"reason"`
	Message  string  `json:"message"`
	Revision uint64  `json:"revision"`
}

// Ref is MODULE/NAME.
func (c Configuration) Ref() string { return c.Module + "/" + c.Name }

// ConfigurationDetail is a Configuration with its settings (secrets as ***), the sites among them that name a server, by
// path, its tunnels, and the warnings of the change it answers.
type ConfigurationDetail struct {
	Configuration
	Settings json.RawMessage `json:"settings"`
	Sites    []string        `json:"sites"`
	Tunnels  []string        `json:"tunnels"`
	Warnings []string        `json:"warnings"`
}

func configurationOf(c tunnel.Configuration) Configuration {
	return Configuration{
		Module: string(c.Ref.Module), Name: c.Ref.Name, Enabled: c.Enabled, State: string(c.Status.State),
		Reason: reasonOf(c.Status.Reason), Message: c.Status.Message, Revision: c.Revision,
	}
}

// sites are the paths of the sites that name a server. Without the description of its module nobody knows any.
func (s *Server) sites(ctx context.Context, c tunnel.Configuration) []string {
	paths := []string{}
	d, err := s.Operator.Description(ctx, c.Ref.Module)
	if err != nil {
		return paths
	}
	for path, site := range settings.Sites(d.Schema, c.Settings) {
		if site.Server != "" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
