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

// ConfigurationDetail is a Configuration with its settings (secrets as ***), the defaults beside them, the sites among them
// that name a server, by path, its tunnels, and the warnings of the change it answers.
type ConfigurationDetail struct {
	Configuration
	Settings json.RawMessage `json:"settings"`
	Defaults []Default       `json:"defaults"` // what holds beside the settings, in the order of the module's own
	Sites    []string        `json:"sites"`
	Tunnels  []string        `json:"tunnels"`
	Warnings []string        `json:"warnings"`
}

// Default is the value of a key that the settings do not set.
type Default struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func configurationOf(c tunnel.Configuration) Configuration {
	return Configuration{
		Module: string(c.Ref.Module), Name: c.Ref.Name, Enabled: c.Enabled, State: string(c.Status.State),
		Reason: reasonOf(c.Status.Reason), Message: c.Status.Message, Revision: c.Revision,
	}
}

// schema is that of a configuration's module. Without the description of its module nobody knows it: then it is empty.
func (s *Server) schema(ctx context.Context, c tunnel.Configuration) json.RawMessage {
	d, err := s.Operator.Description(ctx, c.Ref.Module)
	if err != nil {
		return nil
	}
	return d.Schema
}

func defaultsOf(schema, doc json.RawMessage) []Default {
	out := []Default{}
	for _, d := range settings.Defaults(schema, doc) {
		out = append(out, Default{d.Key, d.Value})
	}
	return out
}

// sitesOf are the paths of the sites that name a server.
func sitesOf(schema, doc json.RawMessage) []string {
	paths := []string{}
	for path, site := range settings.Sites(schema, doc) {
		if site.Server != "" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
