package sshtunnel_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// repeated is what must not be shown of viaSecret: itself, as HTTP says it, and the beginning of either.
var repeated = []string{viaSecret, "cGJ4OnZlcnktc2VjcmV0LWluZGVlZA", viaSecret[:8], "cGJ4OnZlcn"}

const viaSecret = "very-secret-indeed"

// repeatsHTTP is a proxy that answers with what it was told, put into answer: the header with the login for %[1]s, the
// password for %[2]s.
func repeatsHTTP(answer string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		_, login, _ := strings.Cut(string(b[:n]), "\r\nProxy-")
		login, _, _ = strings.Cut("Proxy-"+login, "\r\n")
		say(c, fmt.Sprintf(answer+"%[3]s", login, viaSecret, ""))
	}
}

// repeatsSOCKS is a proxy that lets us in, opens the way, and then answers with the login's bytes put into answer.
func repeatsSOCKS(answer string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		b := make([]byte, 4096)
		_, _ = c.Read(b)
		_, _ = c.Write([]byte{5, 2})
		n, _ := c.Read(b)
		login := string(b[:n])
		_, _ = c.Write([]byte{1, 0})
		_, _ = c.Read(b)
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		say(c, fmt.Sprintf(answer, login))
	}
}

// TestProxyPasswordIsNowhere: not in steps, failures or the log, whatever the proxy makes of it.
func TestProxyPasswordIsNowhere(t *testing.T) {
	t.Parallel()
	const http, socks = tunnel.ViaHTTP, tunnel.ViaSOCKS5
	tests := map[string]struct {
		scheme string
		do     func(*net.TCPConn)
		reason tunnel.Reason
	}{
		"status":               {http, repeatsHTTP("HTTP/1.1 503 no way, %s\r\n\r\n"), tunnel.Unreachable},
		"status of a refusal":  {http, repeatsHTTP("HTTP/1.1 407 %s %s\r\n\r\n"), tunnel.ProxyRefused},
		"status of a failure":  {http, repeatsHTTP("HTTP/1.1 500 %s\r\n\r\n"), tunnel.ProxyRefused},
		"server":               {http, repeatsHTTP("HTTP/1.1 407 No\r\nServer: %s\r\n\r\n"), tunnel.ProxyRefused},
		"what it wants":        {http, repeatsHTTP("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"%[2]s\"\r\n\r\n"), tunnel.ProxyRefused},
		"no HTTP":              {http, repeatsHTTP("%s and %s\r\n"), tunnel.ProxyRefused},
		"no HTTP, cut":         {http, repeatsHTTP(strings.Repeat("x", 81-len("Proxy-Authorization: Basic ")-12) + "%s\r\n"), tunnel.ProxyRefused},
		"half a header":        {http, repeatsHTTP("HTTP/1.1 200 %s"), tunnel.ProxyRefused},
		"no SSH":               {http, repeatsHTTP("HTTP/1.1 200 OK\r\n\r\n%s\r\n"), tunnel.HandshakeClosed},
		"no SSH but HTTP":      {http, repeatsHTTP("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 %s\r\n"), tunnel.HandshakeClosed},
		"SSH's version":        {http, repeatsHTTP("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-%s\r\n"), tunnel.HandshakeClosed},
		"SSH 1":                {http, repeatsHTTP("HTTP/1.1 200 OK\r\n\r\nSSH-1.5-%s\r\n"), tunnel.AlgorithmRefused},
		"login refused":        {socks, refusesSOCKS, tunnel.ProxyRefused},
		"SOCKS, no SSH":        {socks, repeatsSOCKS("hello %s\r\n"), tunnel.HandshakeClosed},
		"SOCKS, SSH's version": {socks, repeatsSOCKS("SSH-2.0-%s\r\n"), tunnel.HandshakeClosed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config("site.example", 22)
			c.Via, _ = fakeProxy(t, test.scheme, test.do)
			c.Via.User, c.Credential.Via = "pbx", viaSecret
			told := &everything{}
			told.listen(&c)
			f := fails(t, c, test.reason)
			told.note(f)
			told.wantWithout(t, repeated...)
			if !strings.Contains(told.String(), "***") && name != "login refused" { // which is done with one byte
				t.Errorf("nothing of what the proxy repeated is quoted: %s", told)
			}
		})
	}
}

func refusesSOCKS(c *net.TCPConn) {
	_, _ = c.Read(make([]byte, 80))
	_, _ = c.Write([]byte{5, 2})
	_, _ = c.Read(make([]byte, 80))
	_, _ = c.Write([]byte{1, 1})
}

// everything is all that is told of an attempt.
type everything struct {
	mu      sync.Mutex
	written bytes.Buffer
}

// listen has c tell it.
func (e *everything) listen(c *sshtunnel.Config) {
	c.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: e})
	c.Stage = func(s sshtunnel.Step) {
		fmt.Fprintf(e, "%+v\n", s)
		e.note(s.Failure)
	}
}

func (e *everything) note(f *sshtunnel.Failure) {
	if f != nil {
		fmt.Fprintf(e, "%+v %v %+v %q\n", *f, f, f.Diagnosis, f.Version)
	}
}

func (e *everything) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.written.Write(p)
}

func (e *everything) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.written.String()
}

func (e *everything) wantWithout(t *testing.T, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(e.String(), s) {
			t.Errorf("%q is in %s", s, e)
		}
	}
}

// TestServerThatRepeatsAPassword, its own or the proxy's, is quoted without.
func TestServerThatRepeatsAPassword(t *testing.T) {
	t.Parallel()
	t.Run("in its version, while the link stands", func(t *testing.T) {
		t.Parallel()
		s := start(t, sshtest.Options{Password: password, Version: "SSH-2.0-OpenSSH_9.9 " + password + " " + viaSecret})
		c := config("site.example", 22)
		c.Via, _ = fakeProxy(t, tunnel.ViaHTTP, func(p *net.TCPConn) {
			_, _ = p.Read(make([]byte, 4096))
			say(p, "HTTP/1.1 200 OK\r\n\r\n")
			pipeTo(p, s.Addr())
		})
		c.Via.User, c.Credential.Via = "pbx", viaSecret
		if got := open(t, c).ServerVersion(); got != "SSH-2.0-OpenSSH_9.9 *** ***" {
			t.Errorf("it calls itself %q", got)
		}
	})
	t.Run("in its version, when it refuses", func(t *testing.T) {
		t.Parallel()
		s := start(t, sshtest.Options{Password: "other", Version: "SSH-2.0-OpenSSH_9.9 " + password})
		c := config("127.0.0.1", s.Port())
		told := &everything{}
		told.listen(&c)
		f := fails(t, c, tunnel.LoginRefused)
		told.note(f)
		told.wantWithout(t, password)
		if f.Version != "SSH-2.0-OpenSSH_9.9 ***" {
			t.Errorf("it calls itself %q", f.Version)
		}
	})
	t.Run("in its questions", func(t *testing.T) {
		t.Parallel()
		s := start(t, sshtest.Options{KeyboardInteractive: "x", Questions: []string{"Is it " + password + "?", "Code: "}})
		c := config("127.0.0.1", s.Port())
		told := &everything{}
		told.listen(&c)
		err := run(soon(t), &c, func(context.Context, *sshtunnel.Link) error { return nil })
		told.note(wantReason(t, err, tunnel.LoginRefused))
		told.wantWithout(t, password)
		if !strings.Contains(told.String(), "Is it ***?") {
			t.Errorf("the question is not told: %s", told)
		}
	})
}
