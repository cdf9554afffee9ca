package tunnel

import "encoding/json"

// ConfigurationRef names one set of settings of a module. Its text is MODULE/NAME.
type ConfigurationRef struct {
	Module Owner
	Name   string
}

// String is MODULE/NAME.
func (c ConfigurationRef) String() string { return string(c.Module) + "/" + c.Name }

// Configuration is one set of settings of a module; the module runs once per enabled configuration.
type Configuration struct {
	Ref      ConfigurationRef
	Settings json.RawMessage // a JSON object; secrets are shown as "***" where they are set
	Enabled  bool
	Revision uint64
	Status   ConfigurationStatus
}

// ConfigurationState is how a configuration's run is right now.
type ConfigurationState string

// The states of a configuration.
const (
	ConfigDisabled ConfigurationState = "disabled"
	ConfigInvalid  ConfigurationState = "invalid" // its settings do not fit the module
	ConfigWaiting  ConfigurationState = "waiting" // for its module, or for the next try
	ConfigRunning  ConfigurationState = "running"
	ConfigDone     ConfigurationState = "done" // Run returned nil: until the configuration changes
	ConfigFailed   ConfigurationState = "failed"
)

// ConfigurationStatus is the observed truth of a configuration.
type ConfigurationStatus struct {
	State   ConfigurationState
	Reason  Reason
	Message string
}

// Edit is an operator's change of an operator-made tunnel: what is nil or empty stays. AcceptWider and RefuseWider are
// the operator's for a declared one too.
type Edit struct {
	Server      *Server
	Via         *Via        // the zero Via goes through no proxy any more
	ViaPassword *Secret     // of the proxy's user; without it, the former one does not follow to another proxy or user
	LAN         *string     // "" forgets the address given before
	Credential  *Credential // with its Login: the way to log in and what with; its Via does not count
	Fingerprint *string     // "" forgets the one given before
	Comment     *string
	Set         []Mapping       // added, or replacing the mapping of that name, whose lane stays
	Drop        []string        // names of mappings to remove
	Lanes       map[string]Lane // by the name of the mapping, Set's included
	AcceptWider []string        // names of mappings whose remote port may be bound wider than declared
	RefuseWider []string        // names of mappings that may not any more
	IfRevision  uint64          // the revision the edit is based on; 0 takes whatever is there
}
