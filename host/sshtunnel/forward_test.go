package sshtunnel_test

import (
	"fmt"
	"net"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestSSHDRefusals makes sshd refuse a port or a target for each of the causes that SSH itself does not tell apart.
func TestSSHDRefusals(t *testing.T) {
	rport := freePort(t)
	restricted := func(ports ...int) sshdtest.Options {
		line := "restrict,port-forwarding"
		for _, p := range ports {
			line += fmt.Sprintf(`,permitlisten="localhost:%d",permitopen="localhost:%d",permitopen="127.0.0.1:%d",permitopen="[::1]:%d"`, p, p, p, p)
		}
		return sshdtest.Options{AuthorizedKeys: []string{line}}
	}
	tests := map[string]struct {
		sshd   sshdtest.Options
		user   string
		port   int
		reason tunnel.Reason
	}{
		"AllowTcpForwarding no":    {sshdtest.Options{Config: []string{"AllowTcpForwarding no"}}, "root", rport, tunnel.ForwardingForbidden},
		"AllowTcpForwarding local": {sshdtest.Options{Config: []string{"AllowTcpForwarding local"}}, "root", rport, tunnel.RemotePortForbidden},
		"PermitListen other":       {sshdtest.Options{Config: []string{"PermitListen localhost:1"}}, "root", rport, tunnel.RemotePortForbidden},
		"key for another port":     {restricted(1), "root", rport, tunnel.RemotePortForbidden},
		"key for this port":        {restricted(rport), "root", rport, ""},
		"no root, below 1024":      {sshdtest.Options{}, "nobody", 1023, tunnel.RemotePortPrivileged},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := user.Lookup(test.user); err != nil {
				t.Skipf("skipped: no user %s", test.user)
			}
			_, c := byKey(t, test.sshd)
			c.Server.User = test.user
			l := open(t, c)
			err := l.Apply(soon(t), expose("e", counting(t).port, test.port))
			if test.reason == "" {
				must(t, err)
				must(t, l.Prove(soon(t), "e"))
				return
			}
			wantReason(t, err, test.reason)
			if bound := sshdtest.Bound(t, test.port); len(bound) > 0 {
				t.Errorf("bound to %v", bound)
			}
		})
	}
}

func TestSSHDOtherPortForbiddenBesideAnAllowedOne(t *testing.T) {
	allowed, other := freePort(t), freePort(t)
	_, c := byKey(t, sshdtest.Options{AuthorizedKeys: []string{
		fmt.Sprintf(`restrict,port-forwarding,permitlisten="localhost:%d",permitopen="localhost:%d"`, allowed, allowed)}})
	l := open(t, c)
	must(t, l.Apply(soon(t), expose("a", counting(t).port, allowed)))
	must(t, l.Prove(soon(t), "a")) // although the two addresses beside localhost may not be asked
	wantReason(t, l.Apply(soon(t), expose("o", counting(t).port, other)), tunnel.RemotePortForbidden)
	must(t, l.Apply(soon(t), reach("r", freePort(t), "127.0.0.1", other)))
	wantReason(t, askTarget(l, soon(t), "r"), tunnel.ForwardingForbidden)
}

func TestSSHDProofForbidden(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Config: []string{"AllowTcpForwarding remote"}})
	l := open(t, c)
	must(t, l.Apply(soon(t), expose("e", counting(t).port, freePort(t))))
	wantReason(t, l.Prove(soon(t), "e"), tunnel.ProofForbidden)
}

func TestHeldPort(t *testing.T) {
	stranger := serveAt(t, "127.0.0.1:0", echo)
	both, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", stranger.port))
	must(t, err)
	defer both.Close()
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	wantReason(t, l.Apply(soon(t), expose("e", counting(t).port, stranger.port)), tunnel.RemotePortHeld)
	both.Close()
	stranger.Close()
	must(t, l.Apply(soon(t), expose("e", counting(t).port, stranger.port)))
	must(t, l.Prove(soon(t), "e"))
}

// TestTargets opens services that are there, are not, or may not be asked for, behind either kind.
func TestTargets(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Config: []string{"PermitOpen 127.0.0.1:* [::1]:* localhost:*"}})
	l := open(t, c)
	there, gone := counting(t), freePort(t)
	tests := map[string]struct {
		m      tunnel.Mapping
		reason tunnel.Reason
	}{
		"reach, there":     {reach("a", 0, "127.0.0.1", there.port), ""},
		"reach, by name":   {reach("b", 0, "", there.port), ""},
		"reach, gone":      {reach("c", 0, "127.0.0.1", gone), tunnel.TargetRefused},
		"reach, forbidden": {reach("d", 0, "192.0.2.1", 80), tunnel.ForwardingForbidden},
		"expose, there":    {expose("e", there.port, freePort(t)), ""},
		"expose, gone":     {expose("f", gone, freePort(t)), tunnel.TargetRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			must(t, l.Apply(soon(t), test.m))
			err := askTarget(l, soon(t), test.m.Name)
			if test.reason == "" {
				must(t, err)
				return
			}
			wantReason(t, err, test.reason)
		})
	}
}

// TestRefusingServiceIsARefusalAtTheFarPort: who connects at the server sees the connection end, not hang.
func TestRefusingServiceIsARefusalAtTheFarPort(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	missed := make(chan string, 10)
	c.Missed = func(m tunnel.Mapping, why *sshtunnel.Failure) { missed <- m.Name + " " + string(why.Reason) }
	l := open(t, c)
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", freePort(t), rport)))
	client, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", rport))
	if told := <-missed; told != "e target-refused" {
		t.Errorf("told %s", told)
	}
	if err != nil {
		return // reset already
	}
	defer client.Close()
	must(t, client.SetDeadline(time.Now().Add(5*time.Second)))
	if n, err := client.Read(make([]byte, 1)); err == nil || n > 0 || strings.Contains(err.Error(), "timeout") {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestUnaskedChannelsAreRefused(t *testing.T) {
	s := start(t, sshtest.Options{Unasked: []string{"session", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "direct-tcpip",
		"forwarded-streamlocal@openssh.com"}})
	l := open(t, config("127.0.0.1", s.Port()))
	eventually(t, "all are refused", func() bool { return s.Refused() == 6 })
	must(t, l.Keepalive(soon(t)))

	svc, rport := serve(t, echo), freePort(t)
	must(t, l.Apply(soon(t), expose("e", svc.port, rport)))
	for _, b := range []struct {
		kind, host string
		port       int
		taken      int
	}{
		{"forwarded-tcpip", "localhost", rport, 1},
		{"forwarded-tcpip", "localhost", rport + 1, 0},
		{"forwarded-tcpip", "", rport, 0}, // loopback was asked for, not all addresses
		{"forwarded-tcpip", "192.0.2.1", rport, 0},
		{"direct-tcpip", "localhost", rport, 0},
	} {
		if taken := s.Offer(b.kind, b.host, b.port); taken != b.taken {
			t.Errorf("%s for %q port %d: taken by %d, want %d", b.kind, b.host, b.port, taken, b.taken)
		}
	}
	must(t, l.Withdraw(soon(t), "e"))
	if s.Offer("forwarded-tcpip", "localhost", rport) != 0 {
		t.Error("taken after it was withdrawn")
	}
}

// TestPortsAreFreeWhenRunReturns: the far port is handed back before the connection ends.
func TestPortsAreFreeWhenRunReturns(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", serve(t, echo).port, rport)))
	talk(t, dial(t, "127.0.0.1", rport), "hello\n")
	l.stop()
	if bound := sshdtest.Bound(t, rport); len(bound) > 0 {
		t.Errorf("still bound to %v", bound)
	}
}

// TestForwardsAreHandedBack before the connection ends, all of them.
func TestForwardsAreHandedBack(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	for i := range 5 {
		must(t, l.Apply(soon(t), expose(fmt.Sprintf("e%d", i), 1, freePort(t))))
	}
	l.stop()
	if n := s.Cancels(); n != 5 {
		t.Errorf("%d handed back, want 5", n)
	}
}

// TestCutLinkIsSaid kills sshd's child under a link with connections: Run returns at once and says link-lost.
func TestCutLinkIsSaid(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	rport := freePort(t)
	must(t, l.Apply(soon(t), expose("e", serve(t, echo).port, rport)))
	conn := dial(t, "127.0.0.1", rport)
	talk(t, conn, "hello\n")
	s.Cut()
	select {
	case <-l.gone:
	case <-time.After(5 * time.Second):
		t.Fatal("Run did not return")
	}
	wantReason(t, l.stop(), tunnel.LinkLost)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection lives on")
	}
	again := open(t, c)
	must(t, again.Apply(soon(t), expose("e", serve(t, echo).port, rport)))
	must(t, again.Prove(soon(t), "e"))
}

// TestRekeyingUnderLoad has sshd renew the keys every few hundred kilobytes: the host key is looked at again each time.
func TestRekeyingUnderLoad(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Config: []string{"RekeyLimit 256K"}})
	c, _, times := learning(c)
	l := open(t, c)
	lport := freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", serve(t, digest).port)))
	data := []byte(strings.Repeat("0123456789abcdef", 128<<10))
	if got := exchangeAll(t, dial(t, "127.0.0.1", lport), data); string(got) != string(digestOf(data)) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	if times.Load() != 1 {
		t.Errorf("the pin was told %d times", times.Load())
	}
}

// TestWeakServersAreRefusedByName offers one weak algorithm each, and nothing else of its sort.
func TestWeakServersAreRefusedByName(t *testing.T) {
	for _, line := range []string{
		"KexAlgorithms diffie-hellman-group14-sha1", "KexAlgorithms diffie-hellman-group1-sha1",
		"KexAlgorithms diffie-hellman-group-exchange-sha1",
		"Ciphers chacha20-poly1305@openssh.com", "Ciphers aes128-cbc", "Ciphers 3des-cbc",
		"Ciphers aes128-ctr\nMACs hmac-sha1", "Ciphers aes128-ctr\nMACs hmac-md5-96",
	} {
		t.Run(line, func(t *testing.T) {
			s, c := byKey(t, sshdtest.Options{Config: strings.Split(line, "\n")})
			f := fails(t, c, tunnel.AlgorithmRefused)
			if offered := line[strings.LastIndex(line, " ")+1:]; !strings.Contains(f.Message, offered) {
				t.Errorf("the message does not name %s: %s", offered, f.Message)
			}
			if strings.Contains(s.Log(), "for root") {
				t.Error("a login reached the server")
			}
		})
	}
	for _, line := range []string{
		"KexAlgorithms curve25519-sha256", "KexAlgorithms curve25519-sha256@libssh.org", "KexAlgorithms ecdh-sha2-nistp256",
		"KexAlgorithms diffie-hellman-group14-sha256", "KexAlgorithms diffie-hellman-group16-sha512",
		"Ciphers aes256-gcm@openssh.com", "Ciphers aes256-ctr\nMACs hmac-sha2-256-etm@openssh.com", "Ciphers aes128-ctr\nMACs hmac-sha2-512",
	} {
		t.Run(line, func(t *testing.T) {
			_, c := byKey(t, sshdtest.Options{Config: strings.Split(line, "\n")})
			must(t, open(t, c).Keepalive(soon(t)))
		})
	}
}
