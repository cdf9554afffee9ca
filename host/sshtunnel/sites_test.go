package sshtunnel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// site is a real server of the corpus and the way in. Its methods return another one.
type site struct {
	config   []string // of sshd
	options  string   // of the key; {port} is that of the mapping
	keyType  string
	dropbear []string // its arguments; nil is an sshd
	files    func(*testing.T) sshdtest.Files
	change   []func(*testing.T, *sshtunnel.Config)
}

// sshd is an sshd with further lines of sshd_config and a key with these options.
func sshd(options string, lines ...string) site { return site{options: options, config: lines} }

// dropbear is a Dropbear with further arguments and a key with these options.
func dropbear(options string, args ...string) site {
	return site{options: options, dropbear: append([]string{}, args...)}
}

// byPassword is an sshd that lets a clerk in by password.
func byPassword(lines ...string) site {
	const hash = "$6$culvert$EQDjU4kRMHeu86TqKPDyQO/NLdRZyHweXGmkAPTIOScjk2ORfqpq7rshJjjOzYw1.RvKKo0GIAOv6fgBgdFsS0" // of password
	s := sshd("", append([]string{"PasswordAuthentication yes"}, lines...)...).wrongPassword().as("clerk")
	s.files = func(t *testing.T) sshdtest.Files {
		return sshdtest.Files{}.With(t, sshdtest.User{Name: "clerk", Shadow: hash + ":20000::::::"})
	}
	return s
}

// start starts the site and returns the way in. The server is nil for a Dropbear.
func (s site) start(t *testing.T, port int) (sshtunnel.Config, *sshdtest.Server) {
	options := strings.ReplaceAll(s.options, "{port}", fmt.Sprint(port))
	var c sshtunnel.Config
	var server *sshdtest.Server
	if s.dropbear != nil {
		pair, err := sshtunnel.NewKeyPair("test")
		must(t, err)
		c = config("127.0.0.1", sshdtest.Dropbear(t, []string{strings.TrimSpace(options + " " + pair.AuthorizedKey())}, s.dropbear...))
		c.Server.User = sshdtest.DropbearUser
		c.Credential = tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: pair.PEM()}
	} else {
		o := sshdtest.Options{Config: s.config, KeyType: s.keyType}
		if options != "" {
			o.AuthorizedKeys = []string{options}
		}
		if s.files != nil {
			o.Files = s.files(t)
		}
		server, c = byKey(t, o)
	}
	c.Label = "operator/it"
	c.Mappings = whole()
	for _, f := range s.change {
		f(t, &c)
	}
	return c, server
}

// whole are the mappings of a tunnel: those, and one that nothing is asked of.
func whole(asked ...tunnel.Mapping) func() []tunnel.Mapping {
	return func() []tunnel.Mapping { return append(slices.Clone(asked), reach("beside", 0, "localhost", 389)) }
}

func (s site) with(f func(*testing.T, *sshtunnel.Config)) site {
	s.change = append(slices.Clone(s.change), f)
	return s
}

func (s site) as(user string) site {
	return s.with(func(_ *testing.T, c *sshtunnel.Config) { c.Server.User = user })
}

func (s site) otherKey() site {
	return s.with(func(t *testing.T, c *sshtunnel.Config) {
		pair, err := sshtunnel.NewKeyPair("other")
		must(t, err)
		c.Credential = tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: pair.PEM()}
	})
}

func (s site) wrongPassword() site {
	return s.with(func(_ *testing.T, c *sshtunnel.Config) {
		c.Credential = tunnel.Credential{Login: tunnel.LoginPassword, Password: password}
	})
}

func (s site) withKeyType(kind string) site {
	s.keyType = kind
	return s
}

// withLeaver adds a user whose account expired long ago.
func (s site) withLeaver() site {
	s.files = func(t *testing.T) sshdtest.Files {
		return sshdtest.Files{}.With(t, sshdtest.User{Name: "leaver", Shadow: "*:10000:0:99999:7::10001:"})
	}
	return s
}

// resolving has the site ask a name server of the test.
func (s site) resolving(answer func([]byte) []byte) site {
	s.files = func(t *testing.T) sshdtest.Files {
		addr := nameServerAt53(t, answer)
		return sshdtest.Files{
			"/etc/resolv.conf":   "nameserver " + addr + "\noptions timeout:5 attempts:2\n",
			"/etc/nsswitch.conf": "passwd: files\nshadow: files\ngroup: files\nhosts: files dns\n",
		}
	}
	return s
}

// nameServerAt53 answers on port 53 of a loopback address of its own, which it returns.
func nameServerAt53(t *testing.T, answer func([]byte) []byte) string {
	t.Helper()
	for i := 1; i < 250; i++ {
		addr := fmt.Sprintf("127.66.53.%d", i)
		l, err := net.ListenPacket("udp", addr+":53")
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 1500)
			for {
				n, from, err := l.ReadFrom(buf)
				if err != nil {
					return
				}
				if a := answer(buf[:n]); a != nil {
					_, _ = l.WriteTo(a, from)
				}
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return addr
	}
	t.Fatal("no free address for a name server")
	return ""
}

func silent([]byte) []byte { return nil }

// nxdomain answers that there is no such name.
func nxdomain(query []byte) []byte {
	out := slices.Clone(query)
	if len(out) > 3 {
		out[2], out[3] = 0x81, 0x83
	}
	return out
}

// What is asked of a site. Each returns the failure that is looked for, and no earlier one.

func entering(s site) func(*testing.T) error {
	return func(t *testing.T) error {
		c, _ := s.start(t, 0)
		return connecting(t, c)
	}
}

func connecting(t *testing.T, c sshtunnel.Config) error {
	_, err := tryOpen(t, c)
	return err
}

func pinned(p tunnel.Pin) func(*testing.T) error {
	return entering(sshd("").with(func(_ *testing.T, c *sshtunnel.Config) { c.Pin = p }))
}

func exposing(s site) func(*testing.T) error { return exposingAs(tunnel.Expose, s) }

func exposingAs(kind tunnel.Kind, s site) func(*testing.T) error {
	return func(t *testing.T) error { return exposeAt(t, s, kind, freePort(t)) }
}

func exposingAt(port int, s site) func(*testing.T) error {
	return func(t *testing.T) error { return exposeAt(t, s, tunnel.Expose, port) }
}

func exposeAt(t *testing.T, s site, kind tunnel.Kind, port int) error {
	c, _ := s.start(t, port)
	m := expose("e", counting(t).port, port)
	m.Kind = kind
	c.Mappings = whole(m)
	return open(t, c).Apply(soon(t), m)
}

// exposingAgainst has a stranger at the port.
func exposingAgainst(handle func(*net.TCPConn)) func(*testing.T) error {
	return func(t *testing.T) error {
		port := serveAt(t, "127.0.0.1:0", handle).port
		serveAt(t, net.JoinHostPort("::1", fmt.Sprint(port)), handle)
		return exposeAt(t, sshd(""), tunnel.Expose, port)
	}
}

func proving(s site) func(*testing.T) error { return provingAs(tunnel.Expose, s) }

func provingAs(kind tunnel.Kind, s site) func(*testing.T) error {
	return func(t *testing.T) error {
		port := freePort(t)
		c, _ := s.start(t, port)
		m := expose("e", counting(t).port, port)
		m.Kind = kind
		c.Mappings = whole(m)
		l := open(t, c)
		must(t, l.Apply(soon(t), m))
		return l.Prove(soon(t), "e")
	}
}

// proveBeside has a stranger on one of the loopback addresses.
func proveBeside(host string) func(*testing.T) error {
	return func(t *testing.T) error {
		c, _ := sshd("").start(t, 0)
		l := open(t, c)
		stranger := serveAt(t, net.JoinHostPort(host, "0"), func(c *net.TCPConn) { say(c, "220 stranger\r\n"); drain(c) })
		must(t, l.Apply(soon(t), expose("e", counting(t).port, stranger.port)))
		return l.Prove(soon(t), "e")
	}
}

// exposeTwice has another tunnel of the process at the port.
func exposeTwice(t *testing.T) error {
	port := freePort(t)
	c, _ := sshd("").start(t, port)
	c.Crossing = sshtunnel.NewCrossing()
	other := c
	other.Label = "adsync/berlin.site"
	svc := counting(t)
	must(t, open(t, other).Apply(soon(t), expose("ldap", svc.port, port)))
	err := open(t, c).Apply(soon(t), expose("e", counting(t).port, port))
	if err != nil && !strings.Contains(err.Error(), "adsync/berlin.site/ldap") {
		t.Errorf("the other tunnel is not named: %v", err)
	}
	if n := svc.connections.Load(); n != 0 {
		t.Errorf("its service saw %d connections", n)
	}
	return err
}

// exposeAfterFreeze has an earlier session of ours at the port, which says nothing.
func exposeAfterFreeze(t *testing.T) error {
	port := freePort(t)
	c, server := sshd("").start(t, port)
	must(t, open(t, c).Apply(soon(t), expose("e", counting(t).port, port)))
	server.Freeze()
	t.Cleanup(server.Thaw)
	c.Earlier = time.Now().Add(-time.Hour)
	err := open(t, c).Apply(soon(t), expose("e", counting(t).port, port))
	if err != nil && !strings.Contains(err.Error(), "held by our own session of "+c.Earlier.Format("15:04")) {
		t.Errorf("the session is not named: %v", err)
	}
	return err
}

func reaching(host string, s site) func(*testing.T) error {
	return func(t *testing.T) error {
		c, _ := s.start(t, 0)
		port := freePort(t)
		c.Mappings = whole(reach("r", 0, host, port))
		return askHost(t, open(t, c), host, port)
	}
}

// reachingBeside asks for a target that may be asked for first.
func reachingBeside(host string, s site) func(*testing.T) error {
	return func(t *testing.T) error {
		c, _ := s.start(t, 0)
		allowed := reach("allowed", 0, "127.0.0.1", counting(t).port)
		c.Mappings = whole(allowed, reach("r", 0, host, 80))
		l := open(t, c)
		must(t, l.Apply(soon(t), allowed))
		must(t, askTarget(l, soon(t), "allowed"))
		return askHost(t, l, host, 80)
	}
}

// askHost asks a link that has just answered for a target.
func askHost(t *testing.T, l *running, host string, port int) error {
	must(t, l.Keepalive(soon(t)))
	must(t, l.Apply(soon(t), reach("r", 0, host, port)))
	ctx, cancel := context.WithTimeout(t.Context(), 2*shortly) // some are silent
	defer cancel()
	return askTarget(l, ctx, "r")
}

// reachFull asks for a target that drops what comes.
func reachFull(t *testing.T) error {
	c, _ := sshd("").start(t, 0)
	return askHost(t, open(t, c), "127.0.0.1", full(t))
}

func askFrozen(t *testing.T) error {
	c, server := sshd("").start(t, 0)
	l := open(t, c)
	server.Freeze()
	t.Cleanup(server.Thaw)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return l.Keepalive(ctx)
}

func serviceGone(t *testing.T) error {
	c, _ := sshd("").start(t, 0)
	l := open(t, c)
	must(t, l.Apply(soon(t), expose("e", freePort(t), freePort(t))))
	return askTarget(l, soon(t), "e")
}

// listening connects to what is no SSH server.
func listening(handle func(*net.TCPConn)) func(*testing.T) error {
	return func(t *testing.T) error {
		return connecting(t, config("127.0.0.1", serve(t, handle).port).WithHandshakeWait(shortly))
	}
}

func webServer(t *testing.T) error {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return connecting(t, config("127.0.0.1", s.Listener.Addr().(*net.TCPAddr).Port))
}

// crowdedOut is one connection too many for MaxStartups.
func crowdedOut(t *testing.T) error {
	c, _ := sshd("", "MaxStartups 1:100:1").start(t, 0)
	first := dial(t, "127.0.0.1", c.Server.Port)
	_, err := first.Read(make([]byte, 1)) // sshd has taken it
	must(t, err)
	return connecting(t, c)
}

// full listens at a port whose connections nobody takes, until no more are let in: the kernel drops those.
func full(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	at, err := syscall.Getsockname(fd)
	must(t, err)
	port := at.(*syscall.SockaddrInet4).Port
	for range 4 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 300*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("all connections are let in")
	return 0
}

func drain(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// badRequest is a web server that does not understand what it is told.
func badRequest(c *net.TCPConn) {
	_, _ = c.Read(make([]byte, 100))
	say(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
}
