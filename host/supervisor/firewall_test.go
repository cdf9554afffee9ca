package supervisor

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// netnsEnv marks the test binary that runs in a network of its own.
const netnsEnv = "SUPERVISOR_TEST_NETNS"

// alone reports whether the test runs in a network of its own, where it may make firewall rules. Where it does not, alone
// has run it there.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(netnsEnv) != "" {
		firewall(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root for a network of its own")
	}
	for _, tool := range []string{"ip", "iptables"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: needs %s (packages iproute2, iptables)", tool)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), netnsEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func firewall(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// redirect has what is sent to host and m's port arrive at another port of this machine, until the result is called.
func redirect(t *testing.T, host string, m tunnel.Mapping, to int) (undo func()) {
	rule := func(what string) []string {
		return []string{"iptables", "-t", "nat", what, "OUTPUT", "-p", "tcp", "-d", host, "--dport", strconv.Itoa(m.Local.Port),
			"-j", "REDIRECT", "--to-ports", strconv.Itoa(to)}
	}
	firewall(t, rule("-A")...)
	return func() { firewall(t, rule("-D")...) }
}

// TestAPortThatTheFirewallRedirectsIsNotOurs though the listener stands.
func TestAPortThatTheFirewallRedirectsIsNotOurs(t *testing.T) {
	if !alone(t) {
		return
	}
	h := newHouse(t)
	m, stranger := ported(t), freePort(t)
	undo := redirect(t, "127.0.0.1", m, stranger)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Degraded)
	if s := h.status(); s.Reason != tunnel.LocalPortInUse || !strings.Contains(s.Message, "127.0.0.1:") || !strings.Contains(s.Remedy, "nft") {
		t.Errorf("%+v", s)
	}
	undo()
	h.expect(tunnel.Up)
}

// TestAPortThatAnswersElsewhereIsGivenUp until that is accepted.
func TestAPortThatAnswersElsewhereIsGivenUp(t *testing.T) {
	if !alone(t) {
		return
	}
	h := newHouse(t)
	m := ported(t)
	redirect(t, elsewhere.String(), m, m.Local.Port)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Degraded)
	if s := h.status(); s.Reason != tunnel.WiderThanDeclared || s.Bound != tunnel.BoundAll {
		t.Errorf("%+v", s)
	}
	h.until("the port is closed", func() bool { return h.shut(m) })
	w := active(berlin, 1, m)
	w.Edition, w.Tunnel.AcceptWider = 2, []string{m.Name}
	h.source.want(w)
	h.expect(tunnel.Up)
	h.talk(h.call("127.0.0.1", m))
}

// TestAGatewayThatOthersDoNotReachIsSaid: it stays open for those who do.
func TestAGatewayThatOthersDoNotReachIsSaid(t *testing.T) {
	if !alone(t) {
		return
	}
	h := newHouse(t)
	m := ported(t)
	m.Kind = tunnel.ReachGateway
	firewall(t, "iptables", "-A", "INPUT", "-p", "tcp", "-d", elsewhere.String(), "-j", "REJECT", "--reject-with", "tcp-reset")
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Degraded)
	if s := h.status(); s.Reason != tunnel.NarrowerThanDeclared || s.Bound != tunnel.BoundLoopback {
		t.Errorf("%+v", s)
	}
	h.talk(h.call("127.0.0.1", m))
	firewall(t, "iptables", "-F", "INPUT")
	h.expect(tunnel.Up)
}
