package sshtunnel

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// classify says from the evidence why no connection came about. Before the key exchange is over the evidence is what
// the peer sent; after it, its answer to the login.
func (e *entry) classify(err error) *Failure {
	pin, refusal := e.shown()
	switch {
	case refusal != nil:
		return refusal
	case pin.Fingerprint != "":
		return e.classifyLogin(err)
	}
	var n *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &n):
		return noCommonAlgorithm(n)
	case isTimeout(err):
		return e.handshakeTimeout(err)
	}
	return e.handshakeClosed(err)
}

func (e *entry) classifyLogin(err error) *Failure {
	switch s := err.Error(); {
	case isTimeout(err):
		return &Failure{
			Reason:  tunnel.HandshakeTimeout,
			Message: fmt.Sprintf("the server did not finish the login within %s", e.config.waits.login),
			Remedy:  "check the server's load, its PAM modules and its name resolution (UseDNS no)",
			Err:     err,
		}
	case strings.Contains(s, errNoSignature):
		return &Failure{
			Reason:  tunnel.AlgorithmRefused,
			Message: "the server takes signatures of an RSA key only with SHA-1",
			Remedy:  "log in with an Ed25519 key (the PBX's own is one), or update the server",
			Err:     err,
		}
	case isRefusal(err) || e.login.asked != nil:
		return e.login.refused(e.config.Server.User, err)
	case e.login.given:
		return e.login.leftUnanswered(e.config.Server.User, err)
	}
	return &Failure{
		Reason:  tunnel.HandshakeClosed,
		Message: "the server hung up during the login, without an answer to it",
		Remedy:  "look at the server's log (journalctl -u ssh); it is tried again by itself",
		Err:     err,
	}
}

// noCommonAlgorithm names what is missing and what the server offers instead.
func noCommonAlgorithm(n *ssh.AlgorithmNegotiationError) *Failure {
	return &Failure{
		Reason: tunnel.AlgorithmRefused,
		Message: fmt.Sprintf("the server offers no %s that is safe; it offers: %s",
			n.What, tunnel.Clean(strings.Join(n.RequestedAlgorithms, ", "), 300)),
		Remedy: "update the SSH server, or allow a current algorithm in its sshd_config (curve25519-sha256, aes128-gcm@openssh.com, an Ed25519 host key)",
		Err:    n,
	}
}

func (e *entry) handshakeTimeout(err error) *Failure {
	f := &Failure{Reason: tunnel.HandshakeTimeout, Err: err}
	if said := e.firstLine(); said == "" {
		f.Message = fmt.Sprintf("%s took the connection but said nothing for %s", e.at, e.within)
		f.Remedy = "check that an SSH server listens at this port and that it is not overloaded"
	} else {
		f.Message = fmt.Sprintf("%s said %q and did not finish the key exchange within %s", e.at, said, e.within)
		f.Remedy = "check the path: large packets that are lost on the way (MTU) look like this"
	}
	return f
}

func (e *entry) handshakeClosed(err error) *Failure {
	f := &Failure{Reason: tunnel.HandshakeClosed, Err: err}
	said := e.firstLine()
	switch {
	case said == "":
		f.Message = fmt.Sprintf("%s took the connection and hung up at once", e.at)
		f.Remedy = "the server limits connections or has locked this address out (MaxStartups, PerSourcePenalties, fail2ban): check its log"
	case strings.HasPrefix(said, "SSH-1.") && !strings.HasPrefix(said, "SSH-1.99"):
		f.Reason = tunnel.AlgorithmRefused
		f.Message = fmt.Sprintf("the server speaks only SSH version 1 (%s)", said)
		f.Remedy = "update the SSH server: version 1 is no longer safe"
	case !strings.HasPrefix(said, "SSH-"):
		f.Message = fmt.Sprintf("what listens at %s is no SSH server; it said %q", e.at, said)
		f.Remedy = "check the port"
	default:
		f.Message = fmt.Sprintf("the server (%s) hung up during the key exchange", said)
		f.Remedy = "look at the server's log (journalctl -u ssh); it is tried again by itself"
	}
	return f
}

// firstLine is the first line the peer sent, escaped.
func (e *entry) firstLine() string {
	line, _, _ := strings.Cut(e.sock.heard(), "\n")
	return tunnel.Clean(strings.TrimRight(line, "\r"), 80)
}
