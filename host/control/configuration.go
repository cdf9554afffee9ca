package control

import (
	"encoding/json"

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

// ConfigurationDetail is a Configuration with its settings (secrets as ***), its tunnels, and the warnings of the
// change it answers.
type ConfigurationDetail struct {
	Configuration
	Settings json.RawMessage `json:"settings"`
	Tunnels  []string        `json:"tunnels"`
	Warnings []string        `json:"warnings"`
}

func configurationOf(c tunnel.Configuration) Configuration {
	return Configuration{
		Module: string(c.Ref.Module), Name: c.Ref.Name, Enabled: c.Enabled, State: string(c.Status.State),
		Reason: reasonOf(c.Status.Reason), Message: c.Status.Message, Revision: c.Revision,
	}
}
