package control

// Module is one module as it is shown.
type Module struct {
	Name           string     `json:"name"`
	Version        string     `json:"version"`
	SHA256         string     `json:"sha256"`
	State          string     `json:"state"` // stopped, starting, running, waiting, failed or accept
	Reason         *string    `json:"reason"`
	Message        string     `json:"message"`
	Remedy         string     `json:"remedy"`
	PID            int        `json:"pid"` // 0 where no process runs
	RSSBytes       uint64     `json:"rss_bytes"`
	Restarts       int        `json:"restarts"`
	Sandbox        string     `json:"sandbox"`         // full, partial or none
	SandboxMessage string     `json:"sandbox_message"` // what it can do where that is not full, "" where it is
	SandboxRemedy  string     `json:"sandbox_remedy"`
	Configurations []string   `json:"configurations"`
	Tunnels        []string   `json:"tunnels"`
	Grants         []Grant    `json:"grants"`  // all that it asks for, given or not
	Pending        *Candidate `json:"pending"` // the binary that waits for acceptance, null where none does
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
	Name     string   `json:"name"`
	Grants   []Grant  `json:"grants"` // as in Module
	Warnings []string `json:"warnings"`
}

// Acceptance is what `module accept` changed.
type Acceptance struct {
	Name   string  `json:"name"`
	Before Face    `json:"before"`
	After  Face    `json:"after"`
	Grants []Grant `json:"grants"` // as in Module: accepting grants nothing
}

func moduleOf(m ModuleStatus) Module {
	return Module{
		Name: string(m.Name), Version: m.Version, SHA256: m.SHA256, State: m.State, Reason: reasonOf(m.Reason),
		Message: m.Message, Remedy: m.Remedy, PID: m.PID, RSSBytes: m.RSS, Restarts: m.Restarts,
		Sandbox: m.Sandbox.Level, SandboxMessage: m.Sandbox.Message, SandboxRemedy: m.Sandbox.Remedy,
		Configurations: []string{}, Tunnels: []string{}, Grants: []Grant{}, Pending: m.Pending,
	}
}
