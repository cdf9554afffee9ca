package sshtunnel

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// classify says from the evidence why no connection came about. Before the key exchange is over the evidence is what
// the peer sent; after it, its answer to the login.
func (e *entry) classify(err error) *Failure {
	pin, refusal := e.shown()
	switch {
	case refusal != nil:
		return e.diagnoseHostKey(refusal)
	case pin.Fingerprint != "":
		return e.classifyLogin(err)
	}
	var n *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &n):
		return e.noCommonAlgorithm(n)
	case isTimeout(err):
		return e.handshakeTimeout(err)
	}
	return e.handshakeClosed(err)
}

// advisor knows what is known of the server so far.
func (e *entry) advisor() advisor {
	if !strings.HasPrefix(e.greeting(), "SSH-") {
		return e.config.advisor("")
	}
	return e.config.advisor(e.firstLine())
}

func (e *entry) classifyLogin(err error) *Failure {
	switch s := err.Error(); {
	case isTimeout(err):
		return &Failure{
			Reason:  tunnel.HandshakeTimeout,
			Message: fmt.Sprintf("the server did not finish the login within %s", e.config.waits.login),
			Remedy:  "check the server's load, its PAM modules and its name resolution (UseDNS no)",
			Diagnosis: diagnosis(tunnel.Frozen, append([]string{"keys were exchanged, and the login was not answered"}, e.login.bannerEvidence()...),
				e.advisor().sshdConfig("UseDNS no"), e.advisor().log()),
			Err: err,
		}
	case strings.Contains(s, errNoSignature):
		return &Failure{
			Reason:  tunnel.AlgorithmRefused,
			Message: "the server takes signatures of an RSA key only with SHA-1",
			Remedy:  "log in with an Ed25519 key (the PBX's own is one), or update the server",
			Diagnosis: diagnosis(tunnel.WeakSignature, []string{"the server calls itself " + e.firstLine()},
				e.advisor().onPBX("tunnel set", "--key", "host")),
			Err: err,
		}
	case e.login.sent != "" && e.login.saysExpired():
		return e.login.expired(e.advisor(), err)
	case isRefusal(err) || e.login.asked != nil:
		return e.login.refused(e.advisor(), err)
	case e.login.given:
		return e.login.leftUnanswered(e.advisor(), err)
	}
	return &Failure{
		Reason:    tunnel.HandshakeClosed,
		Message:   "the server hung up during the login, without an answer to it",
		Remedy:    "look at the server's log (journalctl -u ssh); it is tried again by itself",
		Diagnosis: diagnosis(endOf(err), e.login.evidence(), e.advisor().log()),
		Err:       err,
	}
}

// noCommonAlgorithm names what is missing and what the server offers instead.
func (e *entry) noCommonAlgorithm(n *ssh.AlgorithmNegotiationError) *Failure {
	offered := tunnel.Clean(e.config.mask.over(strings.Join(n.RequestedAlgorithms, ", ")), 300)
	cause, fix := lackOf(n.What)
	a := e.advisor()
	fixes := []tunnel.Fix{a.sshdConfig(fix), a.reload()}
	if cause == tunnel.NoCommonHostKey {
		fixes = []tunnel.Fix{{Where: inShell, Line: "ssh-keygen -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"}, a.hostKeyLine(), a.reload()}
	}
	return &Failure{
		Reason:  tunnel.AlgorithmRefused,
		Message: fmt.Sprintf("the server offers no %s that is safe; it offers: %s", n.What, offered),
		Remedy:  "update the SSH server, or allow a current algorithm in its sshd_config (curve25519-sha256, aes128-gcm@openssh.com, an Ed25519 host key)",
		Diagnosis: diagnosis(cause, []string{
			"the server calls itself " + e.firstLine(),
			"it offers: " + offered,
			"we take: " + strings.Join(n.SupportedAlgorithms, ", "),
		}, fixes...),
		Err: n,
	}
}

// lackOf is the cause for what the server has nothing of that we take, in the words of x/crypto/ssh, and a line of
// sshd_config against it.
func lackOf(what string) (tunnel.Cause, string) {
	switch {
	case strings.Contains(what, "key exchange"):
		return tunnel.NoCommonKex, "KexAlgorithms +curve25519-sha256,ecdh-sha2-nistp256"
	case strings.Contains(what, "host key"):
		return tunnel.NoCommonHostKey, "HostKey /etc/ssh/ssh_host_ed25519_key"
	case strings.Contains(what, "MAC"):
		return tunnel.NoCommonMAC, "MACs +hmac-sha2-256-etm@openssh.com,hmac-sha2-256"
	}
	return tunnel.NoCommonCipher, "Ciphers +aes128-gcm@openssh.com,aes128-ctr"
}

func (e *entry) handshakeTimeout(err error) *Failure {
	f := &Failure{Reason: tunnel.HandshakeTimeout, Err: err}
	switch said := e.firstLine(); {
	case isOldProtocol(e.greeting()), said != "" && !e.saysSSH():
		return e.handshakeClosed(err)
	case said == "":
		f.Message = fmt.Sprintf("%s took the connection but said nothing for %s", e.at, e.within)
		f.Remedy = "check that an SSH server listens at this port and that it is not overloaded"
		f.Diagnosis = diagnosis(tunnel.Mute, []string{"the connection was taken", fmt.Sprintf("nothing came for %s", e.within)},
			tunnel.Fix{Where: inShell, Line: fmt.Sprintf("ss -ltnp 'sport = :%d'", e.config.Server.Port)}, e.advisor().log())
	default:
		f.Message = fmt.Sprintf("%s said %s and did not finish the key exchange within %s", e.at, quoted(said), e.within)
		f.Remedy = "check the path: large packets that are lost on the way (MTU) look like this"
		f.Diagnosis = diagnosis(tunnel.CutShort, []string{"it said " + quoted(said), "then nothing more came"},
			tunnel.Fix{Where: onPBX, Line: "ping -M do -s 1400 " + tunnel.Clean(e.config.Server.Host, 253)},
			tunnel.Fix{Where: onPBX, Line: "iptables -t mangle -A OUTPUT -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"})
	}
	return f
}

func (e *entry) handshakeClosed(err error) *Failure {
	greeting, said, a := e.greeting(), e.firstLine(), e.advisor()
	evidence := []string{"the connection was taken", endWords(err)}
	if said != "" {
		evidence = []string{"the connection was taken", "it said " + quoted(said), endWords(err)}
	}
	f := &Failure{Reason: tunnel.HandshakeClosed, Err: err}
	if isTimeout(err) {
		f.Reason = tunnel.HandshakeTimeout
	}
	switch {
	case greeting == "", dropsAtStart(greeting):
		e.droppedAtStart(f, said, evidence)
	case isOldProtocol(greeting):
		f.Reason = tunnel.AlgorithmRefused
		f.Message = fmt.Sprintf("the server speaks only SSH version 1 (%s)", said)
		f.Remedy = "update the SSH server: version 1 is no longer safe"
		f.Diagnosis = diagnosis(tunnel.OldProtocol, evidence, a.sshdConfig("Protocol 2"))
	case isWeb(greeting):
		f.Message = fmt.Sprintf("what listens at %s is a web server or a proxy; it said %s", e.at, quoted(said))
		f.Remedy = "correct the port (--server); if it is a proxy to go out through, give it with --via, and the SSH server behind it with --server"
		f.Diagnosis = diagnosis(tunnel.SpeaksHTTP, evidence, a.whereIsSSH()...)
	case !strings.HasPrefix(greeting, "SSH-"):
		f.Message = fmt.Sprintf("what listens at %s is no SSH server; it said %s", e.at, quoted(said))
		f.Remedy = "correct the port (--server)"
		f.Diagnosis = diagnosis(tunnel.NotSSH, evidence, a.whereIsSSH()...)
	default:
		f.Message = fmt.Sprintf("the server (%s) hung up during the key exchange", said)
		f.Remedy = "look at the server's log (journalctl -u ssh); it is tried again by itself"
		f.Diagnosis = diagnosis(tunnel.CutShort, evidence, a.log())
	}
	return f
}

// droppedAtStart says of f that the server, or what is before it, wants no connection of ours now.
func (e *entry) droppedAtStart(f *Failure, said string, evidence []string) {
	if said == "" && e.config.proxied() {
		e.droppedBehindProxy(f, evidence)
		return
	}
	a := e.advisor()
	if said == "" && endOf(f.Err) == tunnel.Reset {
		f.Message = fmt.Sprintf("%s took the connection and reset it before a word was said", e.at)
		f.Remedy = "a firewall or the server itself cuts it (fail2ban, hosts.deny, MaxStartups): check the server's log"
		f.Diagnosis = diagnosis(tunnel.Reset, evidence, a.unban()...)
		return
	}
	f.Message = fmt.Sprintf("%s took the connection and hung up at once%s", e.at, inBrackets(said))
	f.Remedy = "the server limits connections or has locked this address out (MaxStartups, PerSourcePenalties, fail2ban): check its log"
	f.Diagnosis = diagnosis(tunnel.DroppedAtStart, evidence,
		append([]tunnel.Fix{a.sshdConfig("MaxStartups 100:30:300"), a.reload()}, a.unban()...)...)
}

// droppedBehindProxy says of f that the proxy opened a way that ended before a word was said: by whom is not known.
func (e *entry) droppedBehindProxy(f *Failure, evidence []string) {
	v, s, a := e.config.Via, e.config.Server, e.advisor()
	f.Message = fmt.Sprintf("the %s opened the way to %s, which ended before a word was said", atProxy(v), hostPort(s))
	f.Remedy = "look at the proxy's log first: it may have cut it, or not have reached the server; then at the server's (MaxStartups, fail2ban)"
	f.Diagnosis = diagnosis(cmp.Or(endOf(f.Err), tunnel.DroppedAtStart), append(evidence, "whether the proxy or the server hung up is not seen from here"),
		append([]tunnel.Fix{
			{Where: "a shell at the proxy, to see what the server says to it", Line: fmt.Sprintf("nc -w 5 %s %d </dev/null", tunnel.Clean(s.Host, 253), s.Port)},
			a.sshdConfig("MaxStartups 100:30:300"), a.reload(),
		}, a.unban()...)...)
}

// isWeb reports whether a first line is of a web server or a proxy.
func isWeb(said string) bool {
	said = strings.ToLower(said)
	return strings.HasPrefix(said, "http/") || strings.HasPrefix(said, "<html") || strings.HasPrefix(said, "<!doctype")
}

// isOldProtocol reports whether a version line is of a server that speaks nothing newer than version 1.
func isOldProtocol(said string) bool {
	return strings.HasPrefix(said, "SSH-1.") && !strings.HasPrefix(said, "SSH-1.99")
}

// dropsAtStart reports whether a server said so that it has too many connections or does not want ours: OpenSSH since 7.8
// and since 9.8.
func dropsAtStart(said string) bool {
	return strings.HasPrefix(said, "Exceeded MaxStartups") || strings.HasPrefix(said, "Not allowed at this time")
}

// endOf is the cause that the end of a connection is: a reset, or none.
func endOf(err error) tunnel.Cause {
	if errors.Is(err, syscall.ECONNRESET) || strings.Contains(err.Error(), "connection reset") {
		return tunnel.Reset
	}
	return ""
}

// endWords says how the connection ended.
func endWords(err error) string {
	switch {
	case endOf(err) == tunnel.Reset:
		return "the connection was reset"
	case isTimeout(err):
		return "an SSH server begins with SSH-2.0, and no such line came"
	}
	return "then it hung up"
}

// greeting is the first line the peer sent, to be judged.
func (e *entry) greeting() string { return firstOf(e.sock.heard()) }

// saysSSH reports whether a line of what came first is an SSH server's. Others may come before that (RFC 4253 §4.2).
func (e *entry) saysSSH() bool {
	for line := range strings.Lines(e.sock.heard()) {
		if strings.HasPrefix(line, "SSH-") {
			return true
		}
	}
	return false
}

// firstLine is the first line the peer sent, as it may be quoted.
func (e *entry) firstLine() string {
	return tunnel.Clean(firstOf(e.config.mask.over(e.sock.heard())), 80)
}

// firstOf is the first line of what was said.
func firstOf(said string) string {
	line, _, _ := strings.Cut(said, "\n")
	return strings.TrimRight(line, "\r")
}
