package sshtunnel_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// refusal is one way in which a site refuses what a tunnel needs, and what people must be told of it.
type refusal struct {
	name   string
	reason tunnel.Reason
	cause  tunnel.Cause
	fix    string // part of a line to paste that mends it
	ask    func(t *testing.T) error

	// twin is the cause of what looks the same from outside, to the last byte: either is right, and the fixes name both.
	twin tunnel.Cause
}

// refusals are the corpus. Each stands for a real mistake at a real server.
var refusals = []refusal{
	// What sshd_config forbids.
	{name: "AllowTcpForwarding no", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingOff, fix: "AllowTcpForwarding yes",
		ask: exposing(sshd("", "AllowTcpForwarding no"))},
	{name: "AllowTcpForwarding no, a password", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingOff, fix: "AllowTcpForwarding yes",
		ask: exposing(byPassword("AllowTcpForwarding no"))},
	{name: "AllowTcpForwarding local", reason: tunnel.RemotePortForbidden, cause: tunnel.ForwardingLocal, fix: "AllowTcpForwarding yes",
		ask: exposing(sshd("", "AllowTcpForwarding local"))},
	{name: "AllowTcpForwarding local for that user alone", reason: tunnel.RemotePortForbidden, cause: tunnel.ForwardingLocal, fix: "AllowTcpForwarding yes",
		ask: exposing(sshd("", "Match User root\nAllowTcpForwarding local\nMatch all"))},
	{name: "AllowTcpForwarding remote, expose", reason: tunnel.ProofForbidden, cause: tunnel.ForwardingRemote, twin: tunnel.PermitOpenNone, fix: "AllowTcpForwarding yes",
		ask: proving(sshd("", "AllowTcpForwarding remote"))},
	{name: "AllowTcpForwarding remote, reach", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingRemote, twin: tunnel.PermitOpenNone, fix: "AllowTcpForwarding yes",
		ask: reaching("127.0.0.1", sshd("", "AllowTcpForwarding remote"))},
	{name: "DisableForwarding yes", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingOff, twin: tunnel.KeyRestricted, fix: "DisableForwarding no",
		ask: exposing(sshd("", "DisableForwarding yes"))},
	{name: "PermitListen another port", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: "PermitListen localhost:",
		ask: exposing(sshd("", "PermitListen localhost:1"))},
	{name: "PermitListen none", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: "PermitListen localhost:",
		ask: exposing(sshd("", "PermitListen none"))},
	{name: "PermitOpen none, expose", reason: tunnel.ProofForbidden, cause: tunnel.PermitOpenNone, fix: "PermitOpen localhost:",
		ask: proving(sshd("", "PermitOpen none"))},
	{name: "PermitOpen none, reach", reason: tunnel.ForwardingForbidden, cause: tunnel.PermitOpenNone, fix: "PermitOpen 127.0.0.1:",
		ask: reaching("127.0.0.1", sshd("", "PermitOpen none"))},
	{name: "PermitOpen another target, beside one that is allowed", reason: tunnel.ForwardingForbidden, cause: tunnel.PermitOpenOther, fix: " 192.0.2.1:80 localhost:389",
		ask: reachingBeside("192.0.2.1", sshd("", "PermitOpen 127.0.0.1:*"))},
	{name: "PermitListen and PermitOpen another port", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: "PermitListen localhost:",
		ask: exposing(sshd("", "PermitListen localhost:1\nPermitOpen localhost:1"))},

	// What the key's line forbids.
	{name: "restrict", reason: tunnel.ForwardingForbidden, cause: tunnel.KeyRestricted, fix: "port-forwarding,permitlisten=",
		ask: exposing(sshd("restrict"))},
	{name: "no-port-forwarding", reason: tunnel.ForwardingForbidden, cause: tunnel.KeyRestricted, fix: "port-forwarding,permitlisten=",
		ask: exposing(sshd("no-port-forwarding"))},
	{name: "restrict, reach", reason: tunnel.ForwardingForbidden, cause: tunnel.KeyRestricted, fix: "port-forwarding,permitopen=",
		ask: reaching("127.0.0.1", sshd("restrict"))},
	{name: "AllowTcpForwarding no, reach", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingOff, fix: "AllowTcpForwarding yes",
		ask: reaching("127.0.0.1", sshd("", "AllowTcpForwarding no"))},
	{name: "permitlisten another port", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: `permitlisten="localhost:`,
		ask: exposing(sshd(`permitlisten="localhost:1"`))},
	{name: "permitlisten another host string", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: `permitlisten="localhost:`,
		ask: exposing(sshd(`permitlisten="127.0.0.1:{port}"`))},
	{name: "permitlisten localhost, for a gateway", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: `permitlisten=":`,
		ask: exposingAs(tunnel.ExposeGateway, sshd(`permitlisten="localhost:{port}"`, "GatewayPorts clientspecified"))},
	{name: "the line of another port", reason: tunnel.RemotePortForbidden, cause: tunnel.PermitListenOther, fix: "culvert key show operator/it",
		ask: exposing(sshd(`restrict,port-forwarding,permitlisten="localhost:1",permitopen="localhost:1"`))},
	{name: "permitopen another port, expose", reason: tunnel.ProofForbidden, cause: tunnel.PermitOpenOther, twin: tunnel.PermitOpenNone, fix: `permitopen="127.0.0.1:`,
		ask: proving(sshd(`permitopen="localhost:1"`))},
	{name: "permitopen another target, beside one that is allowed", reason: tunnel.ForwardingForbidden, cause: tunnel.PermitOpenOther, fix: `permitopen="192.0.2.1:`,
		ask: reachingBeside("192.0.2.1", sshd(`permitopen="127.0.0.1:*"`))},

	// Who has the port.
	{name: "below 1024", reason: tunnel.RemotePortPrivileged, fix: "culvert tunnel set operator/it --expose e=", ask: exposingAt(1023, sshd("").as("nobody"))},
	{name: "a stranger that greets", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByStranger, fix: "ss -ltnp",
		ask: exposingAgainst(func(c *net.TCPConn) { say(c, "220 mail\r\n"); drain(c) })},
	{name: "a stranger that waits to be asked", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByStranger, fix: "ss -ltnp", ask: exposingAgainst(badRequest)},
	{name: "a stranger that hangs up", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByStranger, fix: "ss -ltnp", ask: exposingAgainst(func(*net.TCPConn) {})},
	{name: "an echo", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByStranger, fix: "ss -ltnp", ask: exposingAgainst(echo)},
	{name: "a stranger in IPv4 alone", reason: tunnel.RemotePortHeld, cause: tunnel.HeldInOneFamily, fix: "ss -ltnp", ask: proveBeside("127.0.0.1")},
	{name: "a stranger in IPv6 alone", reason: tunnel.RemotePortHeld, cause: tunnel.HeldInOneFamily, fix: "ss -ltnp", ask: proveBeside("::1")},
	{name: "another tunnel of ours", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByOwnTunnel, ask: exposeTwice},
	{name: "our own session of before", reason: tunnel.RemotePortHeld, cause: tunnel.HeldByOwnSession, fix: "ClientAliveInterval 15", ask: exposeAfterFreeze},
	{name: "wider than declared", reason: tunnel.WiderThanDeclared, fix: "GatewayPorts clientspecified", ask: proving(sshd("", "GatewayPorts yes"))},
	{name: "narrower than declared", reason: tunnel.NarrowerThanDeclared, fix: "GatewayPorts clientspecified",
		ask: provingAs(tunnel.ExposeGateway, sshd("", "GatewayPorts no"))},

	// Connections.
	{name: "nothing listens", reason: tunnel.Unreachable, cause: tunnel.NothingListens, fix: "systemctl enable --now ssh",
		ask: func(t *testing.T) error { return connecting(t, config("127.0.0.1", freePort(t))) }},
	{name: "filtered", reason: tunnel.Unreachable, cause: tunnel.Filtered, fix: "--dport",
		ask: func(t *testing.T) error {
			return connecting(t, config("127.0.0.1", full(t)).WithHandshakeWait(shortly))
		}},
	{name: "no route", reason: tunnel.Unreachable, cause: tunnel.NoRoute, fix: "ip route get",
		ask: func(t *testing.T) error { return connecting(t, config("255.255.255.255", 22)) }},
	{name: "MaxStartups", reason: tunnel.HandshakeClosed, cause: tunnel.DroppedAtStart, fix: "MaxStartups", ask: crowdedOut},
	{name: "hangs up at once", reason: tunnel.HandshakeClosed, cause: tunnel.DroppedAtStart, fix: "fail2ban",
		ask: listening(func(c *net.TCPConn) { c.CloseWrite(); drain(c) })},
	{name: "reset", reason: tunnel.HandshakeClosed, cause: tunnel.Reset, fix: "fail2ban",
		ask: listening(func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) })},
	{name: "a web server", reason: tunnel.HandshakeClosed, cause: tunnel.SpeaksHTTP, fix: "--server root@127.0.0.1:22", ask: listening(badRequest)},
	{name: "a real web server", reason: tunnel.HandshakeClosed, cause: tunnel.SpeaksHTTP, fix: "--server root@127.0.0.1:22", ask: webServer},
	{name: "a mail server", reason: tunnel.HandshakeClosed, cause: tunnel.NotSSH, fix: "--server root@127.0.0.1:22",
		ask: listening(func(c *net.TCPConn) { say(c, "220 mail\r\n500 what?\r\n") })},
	{name: "a mail server that waits", reason: tunnel.HandshakeTimeout, cause: tunnel.NotSSH, fix: "--server root@127.0.0.1:22",
		ask: listening(func(c *net.TCPConn) { say(c, "220 mail\r\n"); drain(c) })},
	{name: "SSH version 1", reason: tunnel.AlgorithmRefused, cause: tunnel.OldProtocol, ask: listening(func(c *net.TCPConn) { say(c, "SSH-1.5-old\n"); c.CloseWrite(); drain(c) })},
	{name: "mute", reason: tunnel.HandshakeTimeout, cause: tunnel.Mute, ask: listening(drain)},
	{name: "begins and says no more", reason: tunnel.HandshakeTimeout, cause: tunnel.CutShort, ask: listening(func(c *net.TCPConn) { say(c, "SSH-2.0-OpenSSH_9.2\r\n"); drain(c) })},

	// Host keys and algorithms.
	{name: "another host key", reason: tunnel.HostKeyMismatch, cause: tunnel.KeyChanged, fix: "ssh-keygen -lf",
		ask: pinned(tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-ed25519", Fingerprint: "SHA256:other"})},
	{name: "another type of host key", reason: tunnel.HostKeyMismatch, cause: tunnel.KeyTypeChanged, fix: "culvert tunnel accept-key operator/it --fingerprint SHA256:",
		ask: pinned(tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-rsa", Fingerprint: "SHA256:other"})},
	{name: "no common key exchange", reason: tunnel.AlgorithmRefused, cause: tunnel.NoCommonKex, fix: "KexAlgorithms +curve25519-sha256",
		ask: entering(sshd("", "KexAlgorithms diffie-hellman-group14-sha1"))},
	{name: "no common cipher", reason: tunnel.AlgorithmRefused, cause: tunnel.NoCommonCipher, fix: "Ciphers +aes128-gcm@openssh.com",
		ask: entering(sshd("", "Ciphers aes128-cbc"))},
	{name: "no common MAC", reason: tunnel.AlgorithmRefused, cause: tunnel.NoCommonMAC, fix: "MACs +",
		ask: entering(sshd("", "Ciphers aes128-ctr\nMACs hmac-sha1"))},
	{name: "no common host key", reason: tunnel.AlgorithmRefused, cause: tunnel.NoCommonHostKey, fix: "ssh-keygen -t ed25519",
		ask: entering(sshd("", "HostKeyAlgorithms ssh-rsa").withKeyType("rsa"))},

	// Logins.
	{name: "wrong key", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "ssh-ed25519 ", ask: entering(sshd("").otherKey())},
	{name: "unknown user, a key", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "getent passwd nosuchuser", ask: entering(sshd("").as("nosuchuser"))},
	{name: "DenyUsers", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "getent passwd root", ask: entering(sshd("", "DenyUsers root"))},
	{name: "PermitRootLogin no", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "PermitRootLogin", ask: entering(sshd("", "PermitRootLogin no"))},
	{name: "expiry-time in the key's line", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "culvert key show operator/it",
		ask: entering(sshd(`expiry-time="20200101"`))},
	{name: "from in the key's line", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "culvert key show operator/it",
		ask: entering(sshd(`from="192.0.2.1"`))},
	{name: "wrong password", reason: tunnel.LoginRefused, cause: tunnel.PasswordRefused, fix: "culvert tunnel secret operator/it",
		ask: entering(sshd("", "PasswordAuthentication yes").wrongPassword())},
	{name: "unknown user, a password", reason: tunnel.LoginRefused, cause: tunnel.PasswordRefused, fix: "getent passwd nosuchuser",
		ask: entering(sshd("", "PasswordAuthentication yes").wrongPassword().as("nosuchuser"))},
	{name: "passwords are off", reason: tunnel.LoginRefused, cause: tunnel.MethodRefused, fix: "PasswordAuthentication yes",
		ask: entering(sshd("", "PasswordAuthentication no", "KbdInteractiveAuthentication no").wrongPassword())},
	{name: "keys are off", reason: tunnel.LoginRefused, cause: tunnel.MethodRefused, fix: "PubkeyAuthentication yes",
		ask: entering(sshd("", "PubkeyAuthentication no", "PasswordAuthentication yes"))},
	{name: "two factors", reason: tunnel.LoginRefused, cause: tunnel.SecondFactor, fix: "AuthenticationMethods publickey",
		ask: entering(sshd("", "PasswordAuthentication yes", "AuthenticationMethods publickey,password"))},
	{name: "expired account, PAM", reason: tunnel.LoginRefused, cause: tunnel.AccountExpired, fix: "chage -E -1",
		ask: entering(sshd("", "UsePAM yes").withLeaver().as("leaver"))},
	{name: "expired account, without PAM", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "chage -l leaver",
		ask: entering(sshd("").withLeaver().as("leaver"))},

	// Targets.
	{name: "target closed", reason: tunnel.TargetRefused, cause: tunnel.TargetClosed, fix: "ss -ltnp", ask: reaching("127.0.0.1", sshd(""))},
	{name: "target without route", reason: tunnel.TargetUnreachable, cause: tunnel.TargetNoRoute, fix: "ip route get", ask: reaching("255.255.255.255", sshd(""))},
	{name: "target unknown", reason: tunnel.TargetUnreachable, cause: tunnel.TargetUnknown, fix: "getent hosts", ask: reaching("dc9.corp.test", sshd("").resolving(nxdomain))},
	{name: "target filtered", reason: tunnel.TargetUnreachable, cause: tunnel.TargetFiltered, fix: "nc -vz", ask: reachFull},
	{name: "silent resolver", reason: tunnel.ServerBusy, cause: tunnel.ResolverSilent, fix: "/etc/resolv.conf", ask: reaching("dc1.corp.test", sshd("").resolving(silent))},
	{name: "frozen server", reason: tunnel.ServerBusy, cause: tunnel.Frozen, fix: "systemctl restart ssh", ask: askFrozen},
	{name: "service here closed", reason: tunnel.TargetRefused, cause: tunnel.TargetClosed, fix: "ss -ltnp", ask: serviceGone},

	// Dropbear.
	{name: "dropbear -k", reason: tunnel.RemotePortForbidden, cause: tunnel.ForwardingLocal, fix: "without -k", ask: exposing(dropbear("", "-k"))},
	{name: "dropbear -j", reason: tunnel.ProofForbidden, cause: tunnel.ForwardingRemote, twin: tunnel.PermitOpenNone, fix: "without -j", ask: proving(dropbear("", "-j"))},
	{name: "dropbear -j -k", reason: tunnel.ForwardingForbidden, cause: tunnel.ForwardingOff, twin: tunnel.KeyRestricted, fix: "without -j and -k", ask: exposing(dropbear("", "-j", "-k"))},
	{name: "dropbear, no-port-forwarding", reason: tunnel.ForwardingForbidden, cause: tunnel.KeyRestricted, twin: tunnel.ForwardingOff, fix: `command="exit 1",permitopen="localhost:`, ask: exposing(dropbear("no-port-forwarding"))},
	{name: "dropbear, restrict", reason: tunnel.ForwardingForbidden, cause: tunnel.KeyRestricted, twin: tunnel.ForwardingOff, fix: `command="exit 1",permitopen="localhost:`, ask: exposing(dropbear("restrict"))},
	{name: "dropbear, below 1024", reason: tunnel.RemotePortPrivileged, fix: ":9022", ask: exposingAt(1022, dropbear(""))},
	{name: "dropbear, permitopen another target", reason: tunnel.ForwardingForbidden, cause: tunnel.PermitOpenOther, twin: tunnel.PermitOpenNone, fix: `permitopen="127.0.0.1:`,
		ask: reaching("127.0.0.1", dropbear(`permitopen="localhost:1"`))},
	{name: "dropbear, an option that it does not know", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "authorized_keys", ask: entering(dropbear(`permitlisten="localhost:1"`))},
	{name: "dropbear, wrong key", reason: tunnel.LoginRefused, cause: tunnel.KeyRefused, fix: "ssh-ed25519 ", ask: entering(dropbear("").otherKey())},
	{name: "dropbear, wrong password", reason: tunnel.LoginRefused, cause: tunnel.PasswordRefused, fix: "culvert tunnel secret", ask: entering(dropbear("").wrongPassword())},
	{name: "dropbear -s", reason: tunnel.LoginRefused, cause: tunnel.MethodRefused, fix: "without -s", ask: entering(dropbear("", "-s").wrongPassword())},
	{name: "dropbear, target closed", reason: tunnel.TargetRefused, cause: tunnel.TargetClosed, fix: "ss -ltnp", ask: reaching("127.0.0.1", dropbear(""))},
}

// TestCorpusOfRefusals has each of them happen and counts how often the right cause is told with what mends it.
func TestCorpusOfRefusals(t *testing.T) {
	sshdtest.Need(t)
	var mu sync.Mutex
	var exact, twins int
	var misses []string
	places := make(chan struct{}, 12) // most wait for somebody, so more than there are processors
	var all sync.WaitGroup
	for _, r := range refusals {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(r.name, func(t *testing.T) {
				miss := r.judge(t, r.ask(t))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case miss == "":
					exact++
				case miss == string(r.twin):
					twins++
				default:
					misses = append(misses, r.name+": "+miss)
				}
			})
		})
	}
	all.Wait()
	right, total := exact+twins, exact+twins+len(misses)
	t.Logf("the right cause for %d of %d refusals: %d told apart, %d told together with what looks the same", right, total, exact, twins)
	for _, m := range misses {
		t.Logf("missed: %s", m)
	}
	if right*100 < total*95 {
		t.Errorf("%d of %d are right, want 95 %%", right, total)
	}
}

// TestLikeliestLineWhereNothingListens is to correct the port, unless a login there has worked before: then the server is to
// be started.
func TestLikeliestLineWhereNothingListens(t *testing.T) {
	for name, test := range map[string]struct {
		pin  tunnel.Pin
		line string
	}{
		"never logged in":  {tunnel.Pin{}, "culvert tunnel set operator/site --server"},
		"logged in before": {tunnel.Pin{KeyType: "ssh-ed25519", Fingerprint: "SHA256:of-before", State: tunnel.PinLearned}, "systemctl enable --now ssh"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config("127.0.0.1", freePort(t))
			c.Label, c.Pin = "operator/site", test.pin
			f := wantRefusal(t, connecting(t, c), tunnel.Unreachable, tunnel.NothingListens)
			if first := f.Diagnosis.Fixes[0].Line; !strings.HasPrefix(first, test.line) {
				t.Errorf("the first line is %q, want %q", first, test.line)
			}
		})
	}
}

// judge returns "" for what was told rightly, the twin's cause for what was told as it, else what was wrong.
func (r refusal) judge(t *testing.T, err error) string {
	var f *sshtunnel.Failure
	if !errors.As(err, &f) {
		return fmt.Sprintf("got %v", err)
	}
	t.Logf("%v\n%s\n%+v", f, f.Remedy, f.Diagnosis)
	var cause tunnel.Cause
	var fixes string
	if f.Diagnosis != nil {
		cause = f.Diagnosis.Cause
		for _, x := range f.Diagnosis.Fixes {
			fixes += x.Where + ": " + x.Line + "\n"
			if x.Where == "" || x.Line == "" {
				return fmt.Sprintf("a fix without place or line: %+v", x)
			}
		}
	}
	switch {
	case f.Reason != r.reason:
		return fmt.Sprintf("reason %s, want %s", f.Reason, r.reason)
	case f.Message == "" || f.Remedy == "":
		return "no sentence or no remedy"
	case !strings.Contains(fixes, r.fix):
		return fmt.Sprintf("no fix %q in %q", r.fix, fixes)
	case cause == r.cause:
		return ""
	case r.twin != "" && cause == r.twin:
		return string(r.twin)
	}
	return fmt.Sprintf("cause %q, want %q", cause, r.cause)
}
