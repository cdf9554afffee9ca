package control

import (
	"encoding/json"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Module is one module as it is shown.
type Module struct {
	Name           string     `json:"name"`
	Version        string     `json:"version"`
	SHA256         string     `json:"sha256"`
	Contract       int        `json:"contract"` // the version of the contract that it speaks, 0 where not known
	State          string     `json:"state"`    // stopped, starting, running, waiting, failed or accept
	Reason         *string    `json:"reason"`
	Message        string     `json:"message"`
	Remedy         string     `json:"remedy"`
	PID            int        `json:"pid"` // 0 where no process runs
	RSSBytes       uint64     `json:"rss_bytes"`
	Restarts       int        `json:"restarts"`
	Sandbox        string     `json:"sandbox"`         // full, partial or none
	SandboxMessage string     `json:"sandbox_message"` // what it can do where that is not full, "" where it is
	SandboxRemedy  string     `json:"sandbox_remedy"`
	Unsandboxed    bool       `json:"unsandboxed"` // whether its binary was accepted to run where nothing confines it
	Configurations []string   `json:"configurations"`
	Tunnels        []string   `json:"tunnels"`
	Grants         []Grant    `json:"grants"`  // all that it asks for, given or not
	Pending        *Candidate `json:"pending"` // the binary that waits for acceptance, null where none does
	Notes          []Note     `json:"notes"`   // what it was granted and opens nothing, and other things worth knowing
}

// Note is something about a module that keeps it from nothing, or from one thing alone.
type Note struct {
	About   string `json:"about"` // the grant it is about, or what else
	Message string `json:"message"`
	Remedy  string `json:"remedy"` // "" where there is nothing to do
}

// Grant is a right beyond the sandbox that a module asks for.
type Grant struct {
	Grant   string `json:"grant"`
	Granted bool   `json:"granted"`
	Words   string `json:"words"` // what it lets the module do
}

// GrantInput names a grant to give or take back.
type GrantInput struct {
	Grant string `json:"grant"`
}

// Regrant is what `module grant` or `module revoke` changed.
type Regrant struct {
	Name   string  `json:"name"`
	Grants []Grant `json:"grants"` // as in Module
	Effect
	Warnings []string `json:"warnings"`
}

// Effect is what became of a module's process when what it may was changed.
type Effect struct {
	Process string `json:"process"` // none, restarted, ended or kept
	Message string `json:"message"`
	Remedy  string `json:"remedy"` // what has a process start with what is granted now, "" where one does
}

// The effects that leave something to be done.
const (
	ProcessEnded = "ended"
	ProcessKept  = "kept"
)

// Unsandboxed is what `module revoke` takes back beside grants: that a binary runs where nothing confines it.
const Unsandboxed tunnel.Grant = "unsandboxed"

// Acceptance is what `module accept` changed.
type Acceptance struct {
	Name   string  `json:"name"`
	Before Face    `json:"before"`
	After  Face    `json:"after"`
	Grants []Grant `json:"grants"` // as in Module: accepting grants nothing

	Settings []settings.Difference `json:"settings"` // which are new, gone or otherwise than before
}

// ModuleSettings is what a module's configurations may set, and which mappings their tunnels may have.
type ModuleSettings struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Schema  json.RawMessage `json:"schema"` // JSON Schema of a settings document, with x-culvert marks for sites, secrets and times
	Keys    []settings.Key  `json:"keys"`   // the same, a setting each, in the schema's order
	Slots   []tunnel.Slot   `json:"slots"`
	Policy  tunnel.Policy   `json:"policy"`
}

func moduleOf(m ModuleStatus) Module {
	return Module{
		Name: string(m.Name), Version: m.Version, SHA256: m.SHA256, Contract: m.Contract, State: m.State, Reason: reasonOf(m.Reason),
		Message: m.Message, Remedy: m.Remedy, PID: m.PID, RSSBytes: m.RSS, Restarts: m.Restarts,
		Sandbox: m.Sandbox.Level, SandboxMessage: m.Sandbox.Message, SandboxRemedy: m.Sandbox.Remedy, Unsandboxed: m.Unsandboxed,
		Configurations: []string{}, Tunnels: []string{}, Grants: []Grant{}, Pending: m.Pending, Notes: append([]Note{}, m.Notes...),
	}
}
