package tunnel

import "slices"

// Diagnosis tells apart what shares a Reason: by what was seen, and with what to paste where.
type Diagnosis struct {
	Cause    Cause    // "" where the reason says it all
	Evidence []string // what was seen, in the order it was, each a short line; escaped
	Fixes    []Fix    // the ways out, the best first
}

// Fix is one line to paste, and where.
type Fix struct {
	Where string // a file, or where a command is run
	Line  string
}

// The bounds of a Diagnosis, whoever made it.
const (
	MaxEvidence = 12
	MaxFixes    = 8
	maxEvidence = 300  // bytes of a line that is read
	maxFix      = 4096 // bytes of a line that is pasted
)

// Cause is a stable, language-free code, finer than a Reason.
type Cause string

// Causes by the reason they belong to.
const (
	// remote-port-held
	HeldByStranger   Cause = "held-by-stranger"    // another program answers there
	HeldInOneFamily  Cause = "held-in-one-family"  // localhost is ours in IPv4 or IPv6 only
	HeldByOwnSession Cause = "held-by-own-session" // a session of this PBX that the server has not given up
	HeldByOwnTunnel  Cause = "held-by-own-tunnel"  // another tunnel of this PBX

	// forwarding-forbidden, remote-port-forbidden, proof-forbidden
	ForwardingOff     Cause = "forwarding-off"     // sshd_config allows none: AllowTcpForwarding no, DisableForwarding
	ForwardingLocal   Cause = "forwarding-local"   // AllowTcpForwarding local: nothing may be exposed
	ForwardingRemote  Cause = "forwarding-remote"  // AllowTcpForwarding remote: nothing may be reached
	KeyRestricted     Cause = "key-restricted"     // the key's line allows none: restrict, no-port-forwarding
	PermitListenOther Cause = "permitlisten-other" // another port or another host string is allowed
	PermitOpenOther   Cause = "permitopen-other"   // the target is not among those allowed
	PermitOpenNone    Cause = "permitopen-none"    // no target at all is allowed, the proof's included
	NotListening      Cause = "not-listening"      // the server said yes and does not listen

	// handshake-closed, handshake-timeout, proxy-unreachable
	DroppedAtStart Cause = "dropped-at-start" // hung up before its version line: MaxStartups, penalties, fail2ban
	Reset          Cause = "reset"            // the connection was reset
	NotSSH         Cause = "not-ssh"          // something else listens there
	SpeaksHTTP     Cause = "speaks-http"      // a web server or a proxy listens there
	Mute           Cause = "mute"             // it took the connection and says nothing
	CutShort       Cause = "cut-short"        // it began as an SSH server, or a proxy, and did not go on: large packets lost, a crash

	// unreachable
	NothingListens  Cause = "nothing-listens" // refused
	Filtered        Cause = "filtered"        // no answer at all
	NoRoute         Cause = "no-route"
	HostUnreachable Cause = "host-unreachable" // somebody on the way says no: a firewall, or a router that does not find the machine

	// login-refused
	KeyRefused      Cause = "key-refused"      // no such key for that user, or no such user: sshd does not say which
	PasswordRefused Cause = "password-refused" // as above
	AccountExpired  Cause = "account-expired"
	MethodRefused   Cause = "method-refused" // the server takes no login of this kind
	SecondFactor    Cause = "second-factor"

	// hostkey-mismatch
	KeyChanged     Cause = "key-changed"      // the same type, another key
	KeyTypeChanged Cause = "key-type-changed" // the pinned type is no longer offered

	// algorithm-refused
	NoCommonKex     Cause = "no-common-kex"
	NoCommonHostKey Cause = "no-common-hostkey"
	NoCommonCipher  Cause = "no-common-cipher"
	NoCommonMAC     Cause = "no-common-mac"
	WeakHostKey     Cause = "weak-hostkey"   // an RSA key that can be broken
	WeakSignature   Cause = "weak-signature" // RSA keys are taken with SHA-1 only
	OldProtocol     Cause = "old-protocol"   // SSH version 1

	// target-refused, target-unreachable
	TargetClosed          Cause = "target-closed"   // nothing listens
	TargetFiltered        Cause = "target-filtered" // no answer
	TargetUnknown         Cause = "target-unknown"  // the server does not know its name
	TargetNoRoute         Cause = "target-no-route"
	TargetHostUnreachable Cause = "target-host-unreachable" // as HostUnreachable

	// server-busy
	ResolverSilent Cause = "resolver-silent" // the server waits for its name servers
	Frozen         Cause = "frozen"          // the server's kernel answers, its program does not
	Crowded        Cause = "crowded"         // more connections than are let through

	// proxy-refused
	ProxyLogin  Cause = "proxy-login"   // it wants another user or password
	ProxyRules  Cause = "proxy-rules"   // it does not let us connect there
	ProxyNoSuch Cause = "proxy-no-such" // what listens there is no proxy of that kind
)

// Code is the cause, "" of no Diagnosis.
func (d *Diagnosis) Code() Cause {
	if d == nil {
		return ""
	}
	return d.Cause
}

// clone is a copy that shares nothing with d. Nil stays nil.
func (d *Diagnosis) clone() *Diagnosis {
	if d == nil {
		return nil
	}
	return &Diagnosis{d.Cause, slices.Clone(d.Evidence), slices.Clone(d.Fixes)}
}

// Cleaned is d as it may be shown: bounded and escaped. A fix whose line is too long is left out: cut off it would do
// harm. Nil stays nil.
func (d *Diagnosis) Cleaned() *Diagnosis {
	if d == nil {
		return nil
	}
	out := &Diagnosis{Cause: Cause(Clean(string(d.Cause), MaxName))}
	for _, e := range d.Evidence[:min(len(d.Evidence), MaxEvidence)] {
		out.Evidence = append(out.Evidence, Clean(e, maxEvidence))
	}
	for _, f := range d.Fixes {
		line := Clean(f.Line, maxFix+1)
		if len(line) <= maxFix && len(out.Fixes) < MaxFixes {
			out.Fixes = append(out.Fixes, Fix{Clean(f.Where, maxEvidence), line})
		}
	}
	return out
}
