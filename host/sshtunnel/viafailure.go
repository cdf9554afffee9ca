package sshtunnel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// said is the beginning of what came in place of an answer, as evidence.
func (w *way) said(b []byte) string {
	return "it said " + quoted(tunnel.Clean(firstOf(w.mask.over(string(b))), 80))
}

// quoted is text that is clean already as a quote, without escaping its escapes once more.
func quoted(clean string) string { return `"` + clean + `"` }

// diagnosis is cause with its evidence, which may come from outside.
func diagnosis(cause tunnel.Cause, evidence []string, fixes ...tunnel.Fix) *tunnel.Diagnosis {
	d := tunnel.Diagnosis{Cause: cause, Evidence: evidence, Fixes: fixes}
	return d.Cleaned()
}

// atProxy begins a sentence about the proxy.
func atProxy(v tunnel.Via) string { return v.Scheme + " proxy " + v.Endpoint() }

// lookAtProxy are the commands that show whether the proxy is there.
func lookAtProxy(v tunnel.Via) []tunnel.Fix {
	return []tunnel.Fix{
		{Where: onPBX, Line: fmt.Sprintf("nc -vz -w 5 %s %d", tunnel.Clean(v.Host, 253), v.Port)},
		{Where: "a shell at the proxy", Line: fmt.Sprintf("ss -ltnp 'sport = :%d'", v.Port)},
	}
}

// setVia is the line that names another proxy, or another user of it.
func setVia(v tunnel.Via) tunnel.Fix {
	line := "culvert tunnel set OWNER/NAME --via '" + v.String() + "'"
	if v.User != "" {
		line += " --via-password-file FILE"
	}
	return tunnel.Fix{Where: onPBX, Line: line}
}

// viaUnknown turns why the proxy's name has no address into a failure about the proxy.
func viaUnknown(v tunnel.Via, err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	return &Failure{
		Reason:  tunnel.ProxyUnreachable,
		Message: fmt.Sprintf("the %s was not found: %s", atProxy(v), f.Message),
		Remedy:  "check the spelling of the proxy's name and name resolution on this machine, or give its address (--via)",
		Diagnosis: diagnosis("", []string{f.Message},
			tunnel.Fix{Where: onPBX, Line: "getent ahosts " + tunnel.Clean(v.Host, 253)}, tunnel.Fix{Where: onPBX, Line: "cat /etc/resolv.conf"}),
		Err: f.Err,
	}
}

// viaUnmet says what each address of the proxy answered.
func viaUnmet(v tunnel.Via, failures []error) *Failure {
	words := make([]string, len(failures))
	for i, err := range failures {
		words[i] = dialWords(err)
	}
	return &Failure{
		Reason:    tunnel.ProxyUnreachable,
		Message:   fmt.Sprintf("the %s could not be reached: %s", atProxy(v), strings.Join(words, "; ")),
		Remedy:    fmt.Sprintf("check that the proxy runs and that its port %d is open to this machine, or correct it (--via)", v.Port),
		Diagnosis: diagnosis("", words, lookAtProxy(v)...),
		Err:       errors.Join(failures...),
	}
}

// silent is the failure of a proxy that takes connections and gives no answer; then is what it did before.
func (w *way) silent(err error, then string) *Failure {
	evidence := []string{"it took the connection"}
	if then != "" {
		evidence = append(evidence, then)
	}
	return &Failure{
		Reason:    tunnel.ProxyUnreachable,
		Message:   fmt.Sprintf("the %s took the connection and gave no answer for %s", atProxy(w.via), w.within),
		Remedy:    "check that a proxy of this kind listens there and is not overloaded, or correct it (--via)",
		Diagnosis: diagnosis(tunnel.Mute, append(evidence, "no answer for "+w.within.String()), lookAtProxy(w.via)...),
		Err:       err,
	}
}

// unfinished is the failure of a proxy that began an answer and did not end it in time.
func (w *way) unfinished(err error, evidence ...string) *Failure {
	return &Failure{
		Reason:    tunnel.ProxyUnreachable,
		Message:   fmt.Sprintf("the %s began its answer and did not end it within %s: %s", atProxy(w.via), w.within, tunnel.Clean(evidence[0], 200)),
		Remedy:    "check whether the proxy is overloaded, and the network between: packets that are lost look like this; it is tried again by itself",
		Diagnosis: diagnosis(tunnel.CutShort, append(evidence, "it did not go on, or very slowly"), lookAtProxy(w.via)...),
		Err:       err,
	}
}

// httpButMute is the failure of a proxy that is mute to the question and answers others by HTTP at the same time.
func (w *way) httpButMute(err error) *Failure {
	if w.via.Scheme == tunnel.ViaHTTP {
		return w.serverUnreachable(tunnel.Filtered, w.waits("it answers other questions meanwhile"))
	}
	return w.noSuch(err, "it answers by HTTP, and by SOCKS not at all")
}

// waits is the evidence that the proxy lives and waits for the server.
func (w *way) waits(lives string) string {
	return fmt.Sprintf("%s; about %s it has said nothing for %s: it waits for the server", lives, hostPort(w.server), w.within)
}

// loginRefused is the failure of a proxy that wants another login.
func (w *way) loginRefused(evidence ...string) *Failure {
	f := &Failure{
		Reason: tunnel.ProxyRefused,
		Remedy: "give the proxy's user and password: culvert tunnel set OWNER/NAME --via URL --via-password-file FILE",
	}
	v := w.via
	if v.User == "" {
		v.User = "USER"
		f.Message = fmt.Sprintf("the %s wants a user and a password", atProxy(w.via))
	} else {
		f.Message = fmt.Sprintf("the %s does not take the password of its user %s", atProxy(w.via), tunnel.Clean(v.User, 255))
	}
	f.Diagnosis = diagnosis(tunnel.ProxyLogin, evidence, setVia(v))
	return f
}

// methodsRefused is the failure of a SOCKS proxy that takes none of the ways of logging in we have: no login was sent.
func (w *way) methodsRefused() *Failure {
	const evidence = "the proxy takes none of the ways of logging in that were offered"
	if w.via.User == "" {
		return w.loginRefused(evidence)
	}
	return &Failure{
		Reason:  tunnel.ProxyRefused,
		Message: fmt.Sprintf("the %s wants another way of logging in than a user and a password: none was sent", atProxy(w.via)),
		Remedy:  "have the proxy's administrator allow logins by user and password (RFC 1929) to this machine",
		Diagnosis: diagnosis(tunnel.ProxyLogin, []string{evidence, "offered: none, user and password"},
			tunnel.Fix{Where: "danted.conf", Line: "socksmethod: username"}),
	}
}

// forbidden is the failure of a proxy whose rules are against it.
func (w *way) forbidden(evidence ...string) *Failure {
	port := w.server.Port
	f := &Failure{
		Reason:  tunnel.ProxyRefused,
		Message: fmt.Sprintf("the %s does not allow connections from this machine to %s", atProxy(w.via), hostPort(w.server)),
		Remedy:  fmt.Sprintf("have the proxy's administrator allow port %d of %s to this machine", port, tunnel.Clean(w.server.Host, 253)),
	}
	if w.via.Scheme == tunnel.ViaSOCKS5 {
		f.Diagnosis = diagnosis(tunnel.ProxyRules, evidence,
			tunnel.Fix{Where: "danted.conf", Line: fmt.Sprintf("socks pass { from: %s to: %s port = %d command: connect }", danteHost(w.from), danteHost(w.server.Host), port)},
			tunnel.Fix{Where: "danted.conf", Line: fmt.Sprintf("client pass { from: %s to: 0.0.0.0/0 }", danteHost(w.from))})
		return f
	}
	f.Diagnosis = diagnosis(tunnel.ProxyRules, evidence,
		tunnel.Fix{Where: "tinyproxy.conf", Line: fmt.Sprintf("ConnectPort %d", port)},
		tunnel.Fix{Where: "squid.conf", Line: fmt.Sprintf("acl SSL_ports port %d", port)},
		tunnel.Fix{Where: "tinyproxy.conf", Line: "Allow " + w.from})
	return f
}

// danteHost is a host as danted's rules name it: a name as it is, an address with its mask.
func danteHost(host string) string {
	switch {
	case strings.Contains(host, ":"):
		return host + "/128"
	case strings.Trim(host, "0123456789.") == "":
		return host + "/32"
	}
	return host
}

// noSuch is the failure of what is no proxy of the kind asked for, but perhaps one of the other. What greets as an SSH
// server is none.
func (w *way) noSuch(err error, evidence ...string) *Failure {
	other := w.via
	other.Scheme = tunnel.ViaSOCKS5
	if w.via.Scheme == tunnel.ViaSOCKS5 {
		other.Scheme = tunnel.ViaHTTP
	}
	fixes := []tunnel.Fix{setVia(other)}
	if strings.HasPrefix(evidence[0], `it said "SSH-`) {
		fixes = []tunnel.Fix{setVia(tunnel.Via{}), {Where: "a shell at the proxy", Line: "ss -ltnp"}}
	}
	return &Failure{
		Reason:    tunnel.ProxyRefused,
		Message:   fmt.Sprintf("what listens at %s is no %s proxy: %s", w.via.Endpoint(), w.via.Scheme, tunnel.Clean(evidence[0], 200)),
		Remedy:    "check the proxy's port and kind: http:// or socks5://",
		Diagnosis: diagnosis(tunnel.ProxyNoSuch, evidence, fixes...),
		Err:       err,
	}
}

// serverUnreachable is the failure of a proxy that does not reach the server: the proxy is as it should be.
func (w *way) serverUnreachable(cause tunnel.Cause, evidence ...string) *Failure {
	return &Failure{
		Reason:    tunnel.Unreachable,
		Message:   fmt.Sprintf("the %s says that it does not reach %s: %s", atProxy(w.via), hostPort(w.server), tunnel.Clean(evidence[0], 200)),
		Remedy:    "check that the server runs, that its name is known to the proxy, and that the port is open to the proxy",
		Diagnosis: diagnosis(cause, evidence),
	}
}

// failed is the failure of a proxy that refused for a reason of its own.
func (w *way) failed(evidence ...string) *Failure {
	return &Failure{
		Reason:    tunnel.ProxyRefused,
		Message:   fmt.Sprintf("the %s opened no way to %s: %s", atProxy(w.via), hostPort(w.server), tunnel.Clean(evidence[0], 200)),
		Remedy:    "look at the proxy's log; it is tried again by itself",
		Diagnosis: diagnosis("", evidence),
	}
}
