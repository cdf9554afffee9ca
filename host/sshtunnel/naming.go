package sshtunnel

import (
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// naming keeps in mind since when the server may be waiting for its resolver: sshd looks the name of a target up in the
// one thread of the connection, and answers nothing else meanwhile.
type naming struct {
	mu      sync.Mutex
	pending int
	since   time.Time // when the first of those pending was asked for
}

// begin notes that a connection to host is asked for, until the result is called.
func (n *naming) begin(host string) (answered func()) {
	if !tunnel.LookedUp(host) {
		return func() {}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending == 0 {
		n.since = time.Now()
	}
	n.pending++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.pending--
	}
}

// waits reports whether the server may be waiting for its resolver, and since when.
func (n *naming) waits() (since time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.since, n.pending > 0
}

// lately is within which a server that works has said something: it is asked for a sign of life every ten seconds.
const lately = 15 * time.Second

// busy is the failure of a question that the server has not answered in time. A server that worked until it was asked to
// connect to a name waits for its resolver; one that was silent before is stuck. Behind a proxy it is not told from the
// proxy, which is to be looked at first.
func (l *Link) busy(what string) *Failure {
	f := busy("the SSH server did not answer in time when asked " + what)
	f.Diagnosis = l.stuck()
	if l.config.proxied() {
		evidence, first := l.config.Via.Suspected()
		f.Remedy = "look first whether the proxy " + l.config.Via.Endpoint() + " still works; then " + f.Remedy
		f.Diagnosis.Evidence = append([]string{evidence}, f.Diagnosis.Evidence...)
		f.Diagnosis.Fixes = append([]tunnel.Fix{first}, f.Diagnosis.Fixes...)
	}
	return f
}

// stuck says why a server does not answer.
func (l *Link) stuck() *tunnel.Diagnosis {
	a := l.advisor()
	since, named := l.naming.waits()
	if named && l.sock.heardSince(since.Add(-lately)) {
		return a.resolverSilent(fmt.Sprintf("it was asked to connect to a target by name %s ago, and has said nothing since",
			time.Since(since).Round(time.Second)))
	}
	d := &tunnel.Diagnosis{
		Cause:    tunnel.Frozen,
		Evidence: []string{"the connection is held, the SSH server says nothing, and no target is asked for by name"},
		Fixes: []tunnel.Fix{
			{Where: inShell, Line: "ps -C sshd -o pid,stat,wchan:20,etime,args; uptime"},
			{Where: inShell, Line: "systemctl restart ssh || systemctl restart sshd"},
		},
	}
	if isWindows(a.version) {
		d.Fixes = []tunnel.Fix{a.reload()}
	}
	return d
}

// resolverSilent is the diagnosis of a server whose name servers do not answer.
func (a advisor) resolverSilent(evidence ...string) *tunnel.Diagnosis {
	fixes := []tunnel.Fix{{Where: "/etc/resolv.conf at the SSH server", Line: "options timeout:1 attempts:1"}}
	if isWindows(a.version) {
		fixes[0] = tunnel.Fix{Where: "PowerShell at the SSH server", Line: "Get-DnsClientServerAddress"}
	}
	for _, m := range a.whole.Mappings {
		if host := m.Remote.Host; m.Kind.Reaches() && tunnel.LookedUp(host) && len(fixes) < tunnel.MaxFixes-1 {
			m.Remote.Host = "ADDRESS"
			byAddress := a.onPBX("tunnel set", "--"+string(m.Kind), m.String())
			byAddress.Where += ", with the address of " + host + " for ADDRESS"
			fixes = append(fixes, byAddress)
		}
	}
	return &tunnel.Diagnosis{Cause: tunnel.ResolverSilent, Evidence: evidence, Fixes: fixes}
}
