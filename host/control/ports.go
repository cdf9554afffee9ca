package control

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Operator is the registry as the operator sees and changes it. by is who asks, operator:UID.
//
// Errors are tunnel.Findings where the input or the state forbids the change, all of them at once; a tunnel,
// configuration or module that is not there matches tunnel.ErrNotFound.
type Operator interface {
	Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error)
	ListShown(ctx context.Context) ([]*tunnel.Shown, error)
	Watch(ctx context.Context) iter.Seq2[tunnel.Change, error]

	AddTunnel(ctx context.Context, by string, t tunnel.Tunnel, cred tunnel.Credential) (warnings []string, err error)
	EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) (warnings []string, err error)
	RemoveTunnel(ctx context.Context, by string, ref tunnel.Ref) error
	SuspendTunnel(ctx context.Context, by string, ref tunnel.Ref, suspended bool) error
	SetSecret(ctx context.Context, by string, ref tunnel.Ref, cred tunnel.Credential) error
	// OfferedKey is the host key that AcceptKey would accept now, the zero Pin where there is none.
	OfferedKey(ctx context.Context, ref tunnel.Ref) (tunnel.Pin, error)
	// AcceptKey accepts the offered key if it still has the fingerprint that the operator saw.
	AcceptKey(ctx context.Context, by string, ref tunnel.Ref, fingerprint string) (before, after tunnel.Pin, err error)

	Configurations(ctx context.Context) ([]tunnel.Configuration, error)
	Configuration(ctx context.Context, ref tunnel.ConfigurationRef) (tunnel.Configuration, error)
	AddConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, settings json.RawMessage, enabled bool) (warnings []string, err error)
	SetConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, settings json.RawMessage, ifRevision uint64) (warnings []string, err error)
	EnableConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, enabled bool) error
	RemoveConfiguration(ctx context.Context, by string, ref tunnel.ConfigurationRef, purge bool) error

	// Description is what the module said of itself, or ErrNotFound while it has not.
	Description(ctx context.Context, module tunnel.Owner) (tunnel.Description, error)

	// Grants are what the module was granted.
	Grants(ctx context.Context, module tunnel.Owner) ([]tunnel.Grant, error)
	// Grant gives it what its description asks for, Revoke takes it back.
	Grant(ctx context.Context, by string, module tunnel.Owner, g tunnel.Grant) error
	Revoke(ctx context.Context, by string, module tunnel.Owner, g tunnel.Grant) error
}

// Modules are the plugin processes. An unknown name is ErrNotFound.
type Modules interface {
	Workers
	// Look looks at the plugin directory now, without waiting for any process.
	Look(ctx context.Context) error
	// Looked waits until that directory was looked at for the first time, whatever came of it. Its error is ctx's.
	Looked(ctx context.Context) error
	// Described waits until the module of that name has described itself or is known to be unable to; the module host
	// bounds the wait. A module that is not installed is ErrNotFound.
	Described(ctx context.Context, name tunnel.Owner) error
	List(ctx context.Context) ([]ModuleStatus, error)
	Restart(ctx context.Context, by string, name tunnel.Owner) error
	// Accept starts the binary that waits for it, for its description alone, and pins it; before is the zero Face where
	// there was none. With unsandboxed it may run although nothing confines modules here.
	Accept(ctx context.Context, by string, name tunnel.Owner, unsandboxed bool) (before, after Face, err error)
	// Grantable says why a grant would never open anything: it is of a place that no module may reach. Errors are
	// tunnel.Findings. Without one, warning is why it opens nothing as things are now, or less than it says, "" where it does.
	Grantable(name tunnel.Owner, g tunnel.Grant) (warning string, err error)
	// Regrant has the module take up that it was granted something, or with less, that this was taken back, and says what
	// became of its process. It does not run any more when what was taken back is.
	Regrant(ctx context.Context, by string, name tunnel.Owner, g tunnel.Grant, less bool) Effect
	// Distrust takes back that a binary was accepted to run where nothing confines it, or is ErrNotFound.
	Distrust(ctx context.Context, by string, name tunnel.Owner) (Effect, error)
	// Test has a module test a configuration, with doc in place of the stored settings where it is not nil, and reports each
	// step when it begins (StepRunning) and when it is decided. An error is why there was no test.
	Test(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage, report func(Step)) error
	// Validate asks a module what is wrong with doc as the settings of a configuration, which need not be there yet, beyond what
	// a schema can say. An error is why it could not be asked.
	Validate(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (tunnel.Findings, error)
	// Log yields the lines a module wrote, oldest first; with follow then each new one until ctx ends.
	Log(ctx context.Context, name tunnel.Owner, follow bool) iter.Seq2[string, error]
}

// ModuleStatus is how one module is right now.
type ModuleStatus struct {
	Name     tunnel.Owner
	Version  string
	SHA256   string // hex, of the pinned binary
	Contract int    // version that it speaks, 0 where not known
	State    string // stopped, starting, running, waiting, failed, accept
	Reason   tunnel.Reason
	Message  string
	Remedy   string
	PID      int    // 0 where no process runs
	RSS      uint64 // bytes of memory it holds
	Restarts int
	Sandbox  Sandbox
	Pending  *Candidate // a binary that waits for acceptance
	Notes    []Note

	Unsandboxed bool // the binary may run where nothing confines it
}

// Sandbox is how well a module is confined: full, partial or none, and where it is not full what the module can do for
// that reason, and what the operator can do about it.
type Sandbox struct {
	Level   string
	Message string
	Remedy  string
}

// Face is what shows of one binary of a module: what `module accept` compares.
type Face struct {
	Version string         `json:"version"`
	SHA256  string         `json:"sha256"`
	Slots   []tunnel.Slot  `json:"slots"`
	Policy  tunnel.Policy  `json:"policy"`
	Grants  []tunnel.Grant `json:"grants"` // that it asks for

	Capabilities []string `json:"capabilities"`
	Contract     int      `json:"contract"` // version that it speaks, 0 where not known

	Schema json.RawMessage `json:"-"` // of its settings
}

// Candidate is a binary that waits for acceptance. Nobody started it yet, so its Face has the checksum alone, unless an
// accept had it describe itself before.
type Candidate struct {
	Face
	Described bool      `json:"described"`
	Problem   string    `json:"problem"` // why it did not describe itself when accept last started it, "" where none did
	Size      int64     `json:"size_bytes"`
	UID       uint32    `json:"uid"`      // whose file it is
	Modified  time.Time `json:"modified"` // when the file was last written
}

// Links are the running tunnels.
type Links interface {
	// Restart takes the tunnel's link down and tries again at once, backoff forgotten. It returns once the tunnel no
	// longer counts as up.
	Restart(ctx context.Context, by string, ref tunnel.Ref) error
	// Check tries a connection without storing anything and reports each step when it begins (StepRunning) and when it
	// is decided. It returns the fingerprint the server showed, "" where it came to none, and an error only where the
	// check itself could not run.
	Check(ctx context.Context, r CheckRequest, report func(Step)) (fingerprint string, err error)
}

// CheckRequest is what a connection test tries.
type CheckRequest struct {
	Server      tunnel.Server
	Via         tunnel.Via
	LAN         string
	Credential  tunnel.Credential
	Fingerprint string
	Mappings    []tunnel.Mapping
}

// Journal is what happened, oldest first.
type Journal interface {
	Read(ctx context.Context) iter.Seq2[tunnel.Event, error]
	// Follow yields what Read does and then each new event until ctx ends, leaving none out in between.
	Follow(ctx context.Context) iter.Seq2[tunnel.Event, error]
}

// Keys is the PBX's own key pair, and the judge of private keys brought along.
type Keys interface {
	AuthorizedKey() string // one authorized_keys line
	// AuthorizedKeyOf is the public half of the key that a tunnel logs in with, one authorized_keys line without options:
	// its own where it was given one, else the PBX's. A secret that cannot be read is a *tunnel.StatusError.
	AuthorizedKeyOf(ctx context.Context, ref tunnel.Ref) (string, error)
	// CheckPrivateKey says what is wrong with a private key in PEM; passphrase is nil where none was given.
	CheckPrivateKey(pem, passphrase []byte) error
}

// Settings changes a module's settings by dotted keys, each value typed by the module's schema. A nil schema is a
// module without settings.
type Settings interface {
	Set(schema, doc json.RawMessage, key, value string) (json.RawMessage, tunnel.Findings)
	Unset(schema, doc json.RawMessage, key string) (json.RawMessage, tunnel.Findings)
}
