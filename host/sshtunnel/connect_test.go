package sshtunnel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// fails runs a link that must not come about and returns why it did not.
func fails(t *testing.T, c sshtunnel.Config, reason tunnel.Reason) *sshtunnel.Failure {
	t.Helper()
	err := run(soon(t), &c, func(context.Context, *sshtunnel.Link) error {
		t.Error("a link came about")
		return nil
	})
	return wantReason(t, err, reason)
}

// silentResolver asks a name server that never answers.
func silentResolver(t *testing.T) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { pc.Close() })
	return resolverAt(pc.LocalAddr().String())
}

func resolverAt(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", addr)
	}}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	t.Run("no such name", func(t *testing.T) {
		c := config("no-such-host.invalid", 22)
		c.Resolver = nameServer(t, nil)
		fails(t, c, tunnel.UnknownHost)
	})
	t.Run("silent resolver", func(t *testing.T) {
		t.Parallel()
		c := config("pbx.example", 22)
		c.Resolver = silentResolver(t)
		began := time.Now()
		fails(t, c, tunnel.NameLookupFailed)
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("no resolver", func(t *testing.T) {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		pc.Close()
		c := config("pbx.example", 22)
		c.Resolver = resolverAt(pc.LocalAddr().String())
		fails(t, c, tunnel.NameLookupFailed)
	})
}

func TestEveryAddressOfANameIsTried(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("site.example", s.Port())
	c.Resolver = nameServer(t, []net.IP{net.ParseIP("::1"), net.IPv4(127, 0, 0, 1)}) // nobody listens on ::1
	l := open(t, c)
	must(t, l.Keepalive(soon(t)))
}

func TestServerOnIPv6AndTargetInBrackets(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Addr: "::1"})
	l := open(t, c)
	far := serveAt(t, "[::1]:0", echo)
	lport := freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "::1", far.port)))
	must(t, askTarget(l, soon(t), "r"))
	talk(t, dial(t, "::1", lport), "hello\n")
}

func TestUnreachable(t *testing.T) {
	f := fails(t, config("127.0.0.1", freePort(t)), tunnel.Unreachable)
	if !strings.Contains(f.Message, "refused") {
		t.Errorf("the message does not say that the connection was refused: %s", f.Message)
	}
}

// TestSilentAddress connects to a listener whose queue is full: the kernel drops what comes, as a firewall does.
func TestSilentAddress(t *testing.T) {
	t.Parallel()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(fd, 0))
	bound, err := unix.Getsockname(fd)
	must(t, err)
	port := bound.(*unix.SockaddrInet4).Port
	for { // until one is not taken any more
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 300*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	began := time.Now()
	f := fails(t, config("127.0.0.1", port), tunnel.Unreachable)
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(f.Message, "did not answer") {
		t.Errorf("the message does not say that nothing answered: %s", f.Message)
	}
}

// TestWhatIsNoSSHServer lets all sorts of things answer in place of an SSH server.
func TestWhatIsNoSSHServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do     func(*net.TCPConn)
		reason tunnel.Reason
		says   string
	}{
		"hangs up":   {func(c *net.TCPConn) { c.CloseWrite(); drain(c) }, tunnel.HandshakeClosed, "hung up at once"},
		"resets":     {func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) }, tunnel.HandshakeClosed, "reset it"},
		"web server": {func(c *net.TCPConn) { say(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno\x1b[2J") }, tunnel.HandshakeClosed, "HTTP/1.1 400"},
		"mail server that waits": {func(c *net.TCPConn) { say(c, "220 mail ESMTP\r\n"); io.Copy(io.Discard, c) },
			tunnel.HandshakeTimeout, "220 mail"},
		"silent":                  {func(c *net.TCPConn) { io.Copy(io.Discard, c) }, tunnel.HandshakeTimeout, "said nothing"},
		"SSH 1":                   {func(c *net.TCPConn) { say(c, "SSH-1.5-Old\r\n") }, tunnel.AlgorithmRefused, "version 1"},
		"stops after its version": {func(c *net.TCPConn) { say(c, "SSH-2.0-x\r\n") }, tunnel.HandshakeClosed, "during the key exchange"},
		"says nonsense": {func(c *net.TCPConn) { say(c, "SSH-2.0-x\r\n"+strings.Repeat("nonsense", 9000)); io.Copy(io.Discard, c) },
			tunnel.HandshakeClosed, "SSH-2.0-x"},
		"talks for ever": {func(c *net.TCPConn) {
			for line := strings.Repeat("x", 200) + "\r\n"; ; {
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}, tunnel.HandshakeClosed, "no SSH server"},
		"one endless line": {func(c *net.TCPConn) {
			for {
				if _, err := io.WriteString(c, strings.Repeat("y", 4096)); err != nil {
					return
				}
			}
		}, tunnel.HandshakeClosed, "no SSH server"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.do)
			f := fails(t, config("127.0.0.1", s.port), test.reason)
			if !strings.Contains(f.Message, test.says) {
				t.Errorf("the message does not say %q: %s", test.says, f.Message)
			}
			if strings.ContainsAny(f.Message, "\x1b\r\n") {
				t.Errorf("raw control characters in %q", f.Message)
			}
		})
	}
}

func say(c *net.TCPConn, s string) { _, _ = io.WriteString(c, s) }

func TestEndedContextEndsAHandshake(t *testing.T) {
	s := serve(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	c := config("127.0.0.1", s.port)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := run(ctx, &c, func(context.Context, *sshtunnel.Link) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestStagesAreToldInOrder(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	var mu sync.Mutex
	var told []string
	c.Stage = func(s sshtunnel.Step) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case s.Failure != nil:
			told = append(told, s.Stage+" "+string(s.Failure.Reason))
		case s.Done:
			told = append(told, s.Stage+" done")
		default:
			told = append(told, s.Stage)
		}
	}
	check := func(want string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
		told = nil
	}
	open(t, c)
	check("name, name done, tcp, tcp done, hostkey, hostkey done, login, login done")
	c.Credential.Password = "wrong"
	fails(t, c, tunnel.LoginRefused)
	check("name, name done, tcp, tcp done, hostkey, hostkey done, login, login login-refused")
	c.Server.Port = freePort(t)
	fails(t, c, tunnel.Unreachable)
	check("name, name done, tcp, tcp unreachable")
}

func TestAdmitBoundsTheHandshakeOnly(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	admitted := make(chan string, 1)
	released := make(chan struct{})
	c.Admit = func(_ context.Context, server string) (func(), error) {
		admitted <- server
		return func() { close(released) }, nil
	}
	open(t, c)
	if server := <-admitted; server != s.Addr() {
		t.Errorf("admitted %s, want %s", server, s.Addr())
	}
	select {
	case <-released:
	default:
		t.Error("not released although the link stands")
	}
}
