package tunnel

// Reason is a stable, language-free code for why something is not as it should be.
type Reason string

// Reasons of tunnels and mappings.
const (
	UnknownHost          Reason = "unknown-host"
	NameLookupFailed     Reason = "name-lookup-failed" // the resolver was silent
	Unreachable          Reason = "unreachable"
	HandshakeClosed      Reason = "handshake-closed" // hung up before the key exchange: MaxStartups, penalties, fail2ban
	HandshakeTimeout     Reason = "handshake-timeout"
	HostKeyMismatch      Reason = "hostkey-mismatch"
	LoginRefused         Reason = "login-refused"
	LoginPostponed       Reason = "login-postponed" // not tried now: the server has refused the logins of others
	AlgorithmRefused     Reason = "algorithm-refused"
	ForwardingForbidden  Reason = "forwarding-forbidden"
	ProofForbidden       Reason = "proof-forbidden"
	RemotePortHeld       Reason = "remote-port-held"
	RemotePortForbidden  Reason = "remote-port-forbidden"
	RemotePortPrivileged Reason = "remote-port-privileged"
	LocalPortInUse       Reason = "local-port-in-use"
	LocalPortPrivileged  Reason = "local-port-privileged"
	TargetRefused        Reason = "target-refused"
	TargetUnreachable    Reason = "target-unreachable"
	WiderThanDeclared    Reason = "wider-than-declared"
	NarrowerThanDeclared Reason = "narrower-than-declared"
	PolicyRefusedReason  Reason = "policy-refused"
	SecretMissing        Reason = "secret-missing"
	SecretUnreadable     Reason = "secret-unreadable"
	ModuleMissing        Reason = "module-missing"
	NoConfiguration      Reason = "no-configuration"
	SuspendedReason      Reason = "suspended"
	LinkLost             Reason = "link-lost"
	ServerBusy           Reason = "server-busy" // TCP acknowledges, sshd does not answer
	ProxyRefused         Reason = "proxy-refused"
	ProxyUnreachable     Reason = "proxy-unreachable"
)

// Reasons of modules.
const (
	BinaryUnsafe        Reason = "binary-unsafe"
	BinaryBroken        Reason = "binary-broken"
	NameMismatch        Reason = "name-mismatch"
	ContractUnsupported Reason = "contract-unsupported"
	StartTimeout        Reason = "start-timeout"
	Crashed             Reason = "crashed"
	NeedsAcceptance     Reason = "needs-acceptance"
	Unsandboxed         Reason = "unsandboxed"
)

// Reasons of configurations.
const (
	SettingsInvalid Reason = "settings-invalid"
	RunFailed       Reason = "run-failed"
)

// Reasons of jobs.
const (
	JobFailed   Reason = "job-failed"
	JobPartial  Reason = "job-partial"
	JobOverdue  Reason = "job-overdue"  // it runs on beyond its limit
	JobsUnknown Reason = "jobs-unknown" // the module does not say how they are
)
