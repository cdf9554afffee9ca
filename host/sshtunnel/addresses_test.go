package sshtunnel_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The addresses of a site with two, in the order in which they are tried.
const firstAddr, secondAddr = "127.0.0.2", "127.0.0.3"

// twoAddresses logs in at a name that has both addresses and keeps what is told.
func twoAddresses(t *testing.T, port int) (sshtunnel.Config, *steps) {
	t.Helper()
	c := config("site.example", port)
	c.Resolver = nameServer(t, []net.IP{net.ParseIP(firstAddr), net.ParseIP(secondAddr)})
	got, err := c.Resolver.LookupNetIP(soon(t), "ip", "site.example")
	must(t, err)
	if len(got) != 2 || got[0].Unmap().String() != firstAddr {
		t.Fatalf("the resolver returns %v", got)
	}
	told := &steps{}
	c.Stage = told.add
	return c, told
}

// steps are the ends of stages that were told.
type steps struct {
	mu   sync.Mutex
	done []string
}

func (s *steps) add(step sshtunnel.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case step.Failure != nil:
		s.done = append(s.done, step.Stage+" "+string(step.Failure.Reason))
	case step.Done:
		s.done = append(s.done, step.Stage)
	}
}

func (s *steps) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.done, want) {
		t.Errorf("told the ends of %q, want %q", s.done, want)
	}
}

func at(addr string, port int) string { return net.JoinHostPort(addr, strconv.Itoa(port)) }

// bad are things that exchange no keys with us.
var bad = map[string]func(*net.TCPConn){
	"silent":     func(c *net.TCPConn) { io.Copy(io.Discard, c) },
	"hangs up":   func(*net.TCPConn) {},
	"web server": func(c *net.TCPConn) { say(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
	"SSH 1":      func(c *net.TCPConn) { say(c, "SSH-1.5-Old\r\n") },
	"half":       func(c *net.TCPConn) { say(c, "SSH-2.0-x\r\n") },
	"unsafe":     offerSHA1,
}

// offerSHA1 begins a key exchange with an algorithm that nobody should use.
func offerSHA1(c *net.TCPConn) {
	key, err := sshtest.NewHostKey()
	if err != nil {
		panic(err)
	}
	s := &ssh.ServerConfig{Config: ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH1SHA1}}, NoClientAuth: true}
	s.AddHostKey(key)
	_, _, _, _ = ssh.NewServerConn(c, s)
}

func TestNextAddressIsTriedWithoutAKeyExchange(t *testing.T) {
	t.Parallel()
	for name, do := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := start(t, sshtest.Options{Addr: at(secondAddr, 0)})
			first := serveAt(t, at(firstAddr, good.Port()), do)
			c, told := twoAddresses(t, good.Port())
			admitted := 0
			c.Admit = func(context.Context, string) (func(), error) { admitted++; return func() {}, nil }
			began := time.Now()
			l := open(t, c)
			if took := time.Since(began); took > 9*time.Second {
				t.Errorf("took %v", took)
			}
			must(t, l.Keepalive(soon(t)))
			if first.connections.Load() != 1 || admitted != 1 {
				t.Errorf("the first address was tried %d times, %d handshakes were admitted", first.connections.Load(), admitted)
			}
			told.want(t, "name", "tcp", "hostkey", "login")
		})
	}
}

func TestWrongHostKeyIsFinal(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "ecdsa"} { // of the pinned type, and of another
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			good := start(t, sshtest.Options{Addr: at(secondAddr, 0)})
			wrong := start(t, sshtest.Options{Addr: at(firstAddr, good.Port()), HostKey: hostKey(t, kind)})
			c, told := twoAddresses(t, good.Port())
			c.Pin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-ed25519", Fingerprint: good.Fingerprint()}
			f := fails(t, c, tunnel.HostKeyMismatch)
			if f.Shown.Fingerprint != wrong.Fingerprint() || !strings.Contains(f.Message, wrong.Addr()) {
				t.Errorf("shown %+v, %s; want %s at %s", f.Shown, f.Message, wrong.Fingerprint(), wrong.Addr())
			}
			if sent := append(wrong.Logins(), good.Logins()...); len(sent) != 0 {
				t.Errorf("logins were sent: %v", sent)
			}
			told.want(t, "name", "tcp", "hostkey hostkey-mismatch")
		})
	}
}

func TestLoginIsFinal(t *testing.T) {
	t.Parallel()
	good := start(t, sshtest.Options{Addr: at(secondAddr, 0)})
	tests := map[string]struct {
		options sshtest.Options
		reason  tunnel.Reason
	}{
		"refused":  {sshtest.Options{Password: "other"}, tunnel.LoginRefused},
		"hangs up": {sshtest.Options{OnLogin: (*sshtest.Server).Cut}, tunnel.LoginRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.options.Addr = at(firstAddr, good.Port())
			first := start(t, test.options)
			c, _ := twoAddresses(t, good.Port())
			f := fails(t, c, test.reason)
			if !strings.Contains(f.Message, first.Addr()) {
				t.Errorf("the message does not name %s: %s", first.Addr(), f.Message)
			}
			first.Close()
		})
	}
	if sent := good.Logins(); len(sent) != 0 {
		t.Errorf("logins were sent to the second address: %v", sent)
	}
}

// TestAllAddressesBad expects the failure that tells most, whichever address it is of, and a word about each address.
func TestAllAddressesBad(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first, second string
		reason        tunnel.Reason
		begins        string
	}{
		"old after silent":     {"silent", "SSH 1", tunnel.AlgorithmRefused, "the server speaks only SSH version 1"},
		"old before hangs up":  {"SSH 1", "hangs up", tunnel.AlgorithmRefused, "the server speaks only SSH version 1"},
		"unsafe first":         {"unsafe", "web server", tunnel.AlgorithmRefused, "the server offers no key exchange"},
		"silent then hangs up": {"silent", "hangs up", tunnel.HandshakeClosed, secondAddr},
		"both silent":          {"silent", "silent", tunnel.HandshakeTimeout, firstAddr},
		"second refuses":       {"hangs up", "", tunnel.HandshakeClosed, firstAddr},
		"first refuses":        {"", "half", tunnel.HandshakeClosed, "the server (SSH-2.0-x)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			for addr, does := range map[string]string{firstAddr: test.first, secondAddr: test.second} {
				if does != "" {
					serveAt(t, at(addr, port), bad[does])
				}
			}
			c, told := twoAddresses(t, port)
			began := time.Now()
			f := fails(t, c, test.reason)
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("took %v", took)
			}
			if !strings.HasPrefix(f.Message, test.begins) {
				t.Errorf("the message does not begin with %q: %s", test.begins, f.Message)
			}
			for _, addr := range []string{firstAddr, secondAddr} {
				if strings.Count(f.Message, at(addr, port)) != 1 {
					t.Errorf("%s is not named once: %s", at(addr, port), f.Message)
				}
			}
			told.want(t, "name", "tcp", "hostkey "+string(test.reason))
		})
	}
}

func TestEndedContextEndsTheTryingOfAddresses(t *testing.T) {
	port := freePort(t)
	first := serveAt(t, at(firstAddr, port), bad["silent"])
	second := serveAt(t, at(secondAddr, port), bad["silent"])
	c, _ := twoAddresses(t, port)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for first.connections.Load() == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	err := run(ctx, &c, func(context.Context, *sshtunnel.Link) error { return nil })
	if err != context.Canceled || second.connections.Load() != 0 {
		t.Errorf("got %v, and the second address was tried %d times", err, second.connections.Load())
	}
}
