package sshtest_test

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/host/porttest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGatewayBindsLikeSSHD asks for loopback and for all addresses under each mode.
func TestGatewayBindsLikeSSHD(t *testing.T) {
	loopback, all := []string{"127.0.0.1", "::1"}, []string{"::"}
	tests := []struct {
		gateway, asked string
		bound          []string
	}{
		{"", "localhost", loopback}, {"no", "", loopback}, {"no", "localhost", loopback},
		{"yes", "localhost", all}, {"yes", "", all},
		{"clientspecified", "localhost", loopback}, {"clientspecified", "", all}, {"clientspecified", "127.0.0.1", []string{"127.0.0.1"}},
	}
	for _, test := range tests {
		t.Run(test.gateway+" "+test.asked, func(t *testing.T) {
			s := start(t, sshtest.Options{Password: "x", Gateway: test.gateway})
			c := dial(t, s)
			port := freePort(t)
			payload := ssh.Marshal(&struct {
				Host string
				Port uint32
			}{test.asked, uint32(port)})
			if ok, _, err := c.SendRequest("tcpip-forward", true, payload); !ok || err != nil {
				t.Fatalf("refused: %v", err)
			}
			var bound []string
			for _, a := range s.Listening() {
				host, p, _ := net.SplitHostPort(a)
				if p != strconv.Itoa(port) {
					t.Errorf("listens on %s", a)
				}
				bound = append(bound, host)
			}
			slices.Sort(bound)
			if !slices.Equal(bound, test.bound) {
				t.Errorf("bound to %v, want %v", bound, test.bound)
			}
			if ok, _, err := c.SendRequest("cancel-tcpip-forward", true, payload); !ok || err != nil {
				t.Errorf("cancel refused: %v", err)
			}
			if left := s.Listening(); len(left) > 0 {
				t.Errorf("still listens on %v", left)
			}
		})
	}
}

// TestCutEndsClientsAndNotTheServer, and Close ends both.
func TestCutEndsClientsAndNotTheServer(t *testing.T) {
	s := start(t, sshtest.Options{Password: "x"})
	for range 2 {
		c := dial(t, s)
		s.Cut()
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("the client lives on")
		}
	}
	s.Close()
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("listens after Close")
	}
}

func start(t *testing.T, o sshtest.Options) *sshtest.Server {
	t.Helper()
	s, err := sshtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t *testing.T, s *sshtest.Server) *ssh.Client {
	t.Helper()
	c, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.Password("x")},
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			if ssh.FingerprintSHA256(k) != s.Fingerprint() {
				t.Error("another host key than the server says")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func freePort(t *testing.T) int { t.Helper(); return porttest.Free(t) }
