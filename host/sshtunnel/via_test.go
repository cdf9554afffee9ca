package sshtunnel_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// realProxies are those that a PBX may meet, each with and without a login. Given ports are out of bounds.
var realProxies = map[string]func(t *testing.T, s *sshdtest.Server, forbidden ...int) *proxied{
	"tinyproxy": func(t *testing.T, s *sshdtest.Server, _ ...int) *proxied { return tinyproxy(t, false, s.Port) },
	"tinyproxy with login": func(t *testing.T, s *sshdtest.Server, _ ...int) *proxied {
		return tinyproxy(t, true, s.Port)
	},
	"danted":            func(t *testing.T, _ *sshdtest.Server, f ...int) *proxied { return danted(t, false, f...) },
	"danted with login": func(t *testing.T, _ *sshdtest.Server, f ...int) *proxied { return danted(t, true, f...) },
}

// TestThroughRealProxies carries data in both directions of both kinds through a proxy to a real sshd.
func TestThroughRealProxies(t *testing.T) {
	for name, start := range realProxies {
		t.Run(name, func(t *testing.T) {
			s, c := byKey(t, sshdtest.Options{})
			told := &steps{}
			c = through(c, start(t, s))
			c.Stage = told.add
			l := open(t, c)
			svc := serve(t, digest)
			data := bytes.Repeat([]byte("through the proxy\n"), 1<<16)
			for _, m := range []tunnel.Mapping{reach("r", freePort(t), "", svc.port), expose("e", svc.port, freePort(t))} {
				must(t, l.Apply(soon(t), m))
				must(t, l.Prove(soon(t), m.Name))
				port := m.Local.Port
				if m.Kind.Exposes() {
					port = m.Remote.Port
				}
				if got := exchangeAll(t, dial(t, "127.0.0.1", port), data); !bytes.Equal(got, digestOf(data)) {
					t.Errorf("%s: %d bytes came back, want the digest and %d bytes", m.Name, len(got), len(data))
				}
			}
			told.want(t, "name", "tcp", "proxy", "hostkey", "login")
		})
	}
}

// TestRefusalsOfRealProxies expects the reason, the cause and a line to paste.
func TestRefusalsOfRealProxies(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{})
	closed := freePort(t)
	wrong := func(c sshtunnel.Config) sshtunnel.Config { c.Credential.Via = "wrong"; return c }
	nobody := func(c sshtunnel.Config) sshtunnel.Config { c.Via.User, c.Credential.Via = "", ""; return c }
	elsewhere := func(c sshtunnel.Config) sshtunnel.Config { c.Server.Port = closed; return c }
	unknown := func(c sshtunnel.Config) sshtunnel.Config { c.Server.Host = "no-such-host.invalid"; return c }
	tests := map[string]struct {
		start  func() *proxied
		change func(sshtunnel.Config) sshtunnel.Config
		reason tunnel.Reason
		cause  tunnel.Cause
		paste  string
	}{
		"tinyproxy, wrong password": {func() *proxied { return tinyproxy(t, true, s.Port) }, wrong, tunnel.ProxyRefused, tunnel.ProxyLogin, "--via-password-file"},
		"tinyproxy, no login":       {func() *proxied { return tinyproxy(t, true, s.Port) }, nobody, tunnel.ProxyRefused, tunnel.ProxyLogin, "USER@127.0.0.1"},
		"tinyproxy, forbidden port": {func() *proxied { return tinyproxy(t, false, 443) }, nil, tunnel.ProxyRefused, tunnel.ProxyRules, fmt.Sprint("ConnectPort ", s.Port)},
		"tinyproxy, dead server":    {func() *proxied { return tinyproxy(t, false) }, elsewhere, tunnel.Unreachable, "", ""},
		"tinyproxy, unknown server": {func() *proxied { return tinyproxy(t, false) }, unknown, tunnel.Unreachable, "", ""},
		"danted, wrong password":    {func() *proxied { return danted(t, true) }, wrong, tunnel.ProxyRefused, tunnel.ProxyLogin, "--via-password-file"},
		"danted, no login":          {func() *proxied { return danted(t, true) }, nobody, tunnel.ProxyRefused, tunnel.ProxyLogin, "USER@127.0.0.1"},
		"danted, forbidden port":    {func() *proxied { return danted(t, false, s.Port) }, nil, tunnel.ProxyRefused, tunnel.ProxyRules, fmt.Sprint("port = ", s.Port)},
		"danted, dead server":       {func() *proxied { return danted(t, false) }, elsewhere, tunnel.Unreachable, tunnel.NothingListens, ""},
		"danted, unknown server":    {func() *proxied { return danted(t, false) }, unknown, tunnel.Unreachable, tunnel.HostUnreachable, ""},
		"tinyproxy asked by SOCKS":  {func() *proxied { return asked(tinyproxy(t, false), tunnel.ViaSOCKS5) }, nil, tunnel.ProxyRefused, tunnel.ProxyNoSuch, "http://127.0.0.1"},
		"danted asked by HTTP":      {func() *proxied { return asked(danted(t, false), tunnel.ViaHTTP) }, nil, tunnel.ProxyRefused, tunnel.ProxyNoSuch, "socks5://127.0.0.1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := through(c, test.start()).WithHandshakeWait(2 * shortly) // one is mute
			if test.change != nil {
				c = test.change(c)
			}
			told := &steps{}
			c.Stage = told.add
			began := time.Now()
			wantCause(t, fails(t, c, test.reason), test.cause, test.paste)
			if took := time.Since(began); took > 6*shortly {
				t.Errorf("took %v", took)
			}
			told.want(t, "name", "tcp", "proxy "+string(test.reason))
		})
	}
}

func asked(p *proxied, scheme string) *proxied { p.Scheme = scheme; return p }

// wantCause fails the test unless f has that cause, evidence, and a line to paste with that text, where there is one.
func wantCause(t *testing.T, f *sshtunnel.Failure, cause tunnel.Cause, paste string) {
	t.Helper()
	if f.Diagnosis == nil || f.Diagnosis.Cause != cause || len(f.Diagnosis.Evidence) == 0 {
		t.Fatalf("diagnosis %+v, want cause %q with evidence", f.Diagnosis, cause)
	}
	has := func(x tunnel.Fix) bool { return strings.Contains(x.Line, paste) && x.Where != "" }
	if paste != "" && !slices.ContainsFunc(f.Diagnosis.Fixes, has) {
		t.Errorf("no line to paste has %q: %+v", paste, f.Diagnosis.Fixes)
	}
}

// shortly is how long a handshake has here where somebody is mute.
const shortly = 3 * time.Second

// TestWhatIsNoProxy lets all sorts of things answer in place of a proxy.
func TestWhatIsNoProxy(t *testing.T) {
	t.Parallel()
	hears := func(say string) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, say)
		}
	}
	mute := func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
	endless := func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 500)); err != nil {
				return
			}
		}
	}
	interim := func(c *net.TCPConn) {
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
				return
			}
		}
	}
	trickle := func(c *net.TCPConn) {
		for {
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	drip := func(c *net.TCPConn) {
		for _, b := range []byte("HTTP/1.") {
			_, _ = c.Write([]byte{b})
			time.Sleep(50 * time.Millisecond)
		}
		mute(c)
	}
	resets := func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 4096))
		say(c, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = c.Read(make([]byte, 4096)) // the client's version: the answer is read by then
		_ = c.SetLinger(0)
	}
	const http, socks = tunnel.ViaHTTP, tunnel.ViaSOCKS5
	tests := map[string]struct {
		scheme string
		do     func(*net.TCPConn)
		reason tunnel.Reason
		cause  tunnel.Cause
	}{
		"http: mute":             {http, mute, tunnel.ProxyUnreachable, tunnel.Mute},
		"http: hangs up":         {http, hears(""), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: SSH server":       {http, func(c *net.TCPConn) { say(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); mute(c) }, tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: endless header":   {http, endless, tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: endless hints":    {http, interim, tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: trickle":          {http, trickle, tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: drips":            {http, drip, tunnel.ProxyUnreachable, tunnel.CutShort},
		"http: way cut at once":  {http, hears("HTTP/1.1 200 OK\r\n\r\n"), tunnel.HandshakeClosed, tunnel.DroppedAtStart},
		"http: way reset":        {http, resets, tunnel.HandshakeClosed, tunnel.Reset},
		"http: half a header":    {http, hears("HTTP/1.1 200 OK\r\nX: y\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: nonsense":         {http, hears("HTTP/x nonsense\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: escaped rubbish":  {http, hears("rubbish\x1b[2J\x00\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: escape sequences": {http, hears("HTTP/1.1 418 \x1b[2J\r\nServer: \x1b]0;x\a\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: 404":              {http, hears("HTTP/1.1 404 Not Found\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: 405":              {http, hears("HTTP/1.1 405 Method Not Allowed\r\nServer: nginx\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: 501":              {http, hears("HTTP/1.1 501 Not Implemented\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: 301":              {http, hears("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"http: 407 NTLM":         {http, hears("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyLogin},
		"http: 500":              {http, hears("HTTP/1.1 500 Oops\r\n\r\n"), tunnel.ProxyRefused, ""},
		"http: 502":              {http, hears("HTTP/1.1 502 Bad Gateway\r\n\r\n"), tunnel.Unreachable, ""},
		"http: squid 503":        {http, hears("HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n"), tunnel.Unreachable, ""},
		"http: 504":              {http, hears("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), tunnel.Unreachable, tunnel.Filtered},
		"socks: mute":            {socks, mute, tunnel.ProxyUnreachable, tunnel.Mute},
		"socks: hangs up":        {socks, hears(""), tunnel.ProxyRefused, tunnel.ProxyRules},
		"socks: SSH server":      {socks, func(c *net.TCPConn) { say(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); mute(c) }, tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"socks: web server":      {socks, hears("HTTP/1.1 400 Bad Request\r\n\r\n"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"socks: SOCKS4":          {socks, hears("\x00\x5b"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"socks: one byte":        {socks, hears("\x05"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"socks: wants GSSAPI":    {socks, hears("\x05\x01"), tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		"socks: greets only":     {socks, func(c *net.TCPConn) { say(c, "\x05\x00"); mute(c) }, tunnel.Unreachable, tunnel.Filtered},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config("site.example", 22).WithHandshakeWait(shortly)
			c.Via, _ = fakeProxy(t, test.scheme, test.do)
			began := time.Now()
			f := fails(t, c, test.reason)
			if took := time.Since(began); took > 3*shortly {
				t.Errorf("took %v", took)
			}
			if strings.Contains(name, "endless") && !strings.Contains(f.Error(), "does not end within") {
				t.Errorf("its length is not bounded: %v", f)
			}
			wantCause(t, f, test.cause, "")
			if said := strings.Join(f.Diagnosis.Evidence, "\n"); strings.Contains(name, "SSH server") &&
				(!strings.Contains(said, "SSH-2.0-OpenSSH_9.2p1") || f.Diagnosis.Fixes[0].Line != "culvert tunnel set OWNER/NAME --via ''") {
				t.Errorf("an SSH server is not told as such: %s, %+v", said, f.Diagnosis.Fixes)
			}
			if strings.Contains(name, "way ") && (!strings.HasPrefix(f.Diagnosis.Fixes[0].Where, "a shell at the proxy") || !strings.Contains(f.Remedy, "proxy")) {
				t.Errorf("the proxy is no candidate: %s, %+v", f.Remedy, f.Diagnosis.Fixes)
			}
			for _, x := range f.Diagnosis.Fixes {
				if strings.Contains(x.Line, c.Via.String()) || x.Where == "this machine" {
					t.Errorf("what is set already is to be set: %+v", x)
				}
			}
			for _, text := range append(f.Diagnosis.Evidence, f.Message) {
				if strings.ContainsAny(text, "\x1b\a\r\n") || strings.Contains(text, `\\`) {
					t.Errorf("raw control characters, or escaped twice, in %q", text)
				}
			}
		})
	}
}

// TestRepliesOfSOCKS goes through what a proxy may answer to the request (RFC 1928, 6).
func TestRepliesOfSOCKS(t *testing.T) {
	t.Parallel()
	tests := map[byte]struct {
		reason tunnel.Reason
		cause  tunnel.Cause
	}{
		1: {tunnel.ProxyRefused, ""},
		2: {tunnel.ProxyRefused, tunnel.ProxyRules},
		3: {tunnel.Unreachable, tunnel.NoRoute},
		4: {tunnel.Unreachable, tunnel.HostUnreachable},
		5: {tunnel.Unreachable, tunnel.NothingListens},
		6: {tunnel.Unreachable, tunnel.Filtered},
		7: {tunnel.ProxyRefused, tunnel.ProxyNoSuch},
		8: {tunnel.ProxyRefused, ""},
		9: {tunnel.ProxyRefused, ""},
	}
	for code, test := range tests {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			c := config("site.example", 22)
			c.Via, _ = fakeProxy(t, tunnel.ViaSOCKS5, func(p *net.TCPConn) {
				_, _ = socksRequest(p)
				_, _ = p.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
			})
			wantCause(t, fails(t, c, test.reason), test.cause, "")
		})
	}
}

// socksRequest plays the proxy up to the request and returns that.
func socksRequest(p net.Conn) ([]byte, error) {
	if _, err := p.Read(make([]byte, 80)); err != nil {
		return nil, err
	}
	_, _ = p.Write([]byte{5, 0})
	request := make([]byte, 300)
	n, err := p.Read(request)
	return request[:n], err
}

// TestServersNameIsGivenToTheProxy, and its address where it is one.
func TestServersNameIsGivenToTheProxy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ host, http, socks string }{
		"name": {"site.example", "CONNECT site.example:22 HTTP/1.1\r\nHost: site.example:22\r\n\r\n", "\x05\x01\x00\x03\x0csite.example\x00\x16"},
		"IPv4": {"192.0.2.7", "CONNECT 192.0.2.7:22 HTTP/1.1\r\nHost: 192.0.2.7:22\r\n\r\n", "\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x16"},
		"IPv6": {"2001:db8::7", "CONNECT [2001:db8::7]:22 HTTP/1.1\r\nHost: [2001:db8::7]:22\r\n\r\n",
			"\x05\x01\x00\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07\x00\x16"},
	}
	for name, test := range tests {
		for scheme, want := range map[string]string{tunnel.ViaHTTP: test.http, tunnel.ViaSOCKS5: test.socks} {
			t.Run(name+" by "+scheme, func(t *testing.T) {
				t.Parallel()
				got := make(chan string, 1)
				c := config(test.host, 22)
				c.Resolver = nameServer(t, nil) // which knows no name
				c.Via, _ = fakeProxy(t, scheme, func(p *net.TCPConn) {
					b := make([]byte, 4096)
					n, _ := p.Read(b)
					b = b[:n]
					if scheme == tunnel.ViaSOCKS5 {
						_, _ = p.Write([]byte{5, 0})
						n, _ = p.Read(b[:cap(b)])
						b = b[:n]
					}
					got <- string(b)
					_ = p.SetLinger(0)
				})
				_ = run(soon(t), &c, func(context.Context, *sshtunnel.Link) error { return nil })
				if asked := <-got; asked != want {
					t.Errorf("asked %q, want %q", asked, want)
				}
			})
		}
	}
}

// TestBytesBehindTheAnswerAreTheServers: a proxy may send its answer and the server's version line in one packet.
func TestBytesBehindTheAnswerAreTheServers(t *testing.T) {
	s := start(t, sshtest.Options{})
	joined := func(answer string, asked func(net.Conn)) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			asked(c)
			far, err := net.Dial("tcp", s.Addr())
			if err != nil {
				return
			}
			defer far.Close()
			first := make([]byte, 4096)
			n, _ := far.Read(first)
			_, _ = c.Write(append([]byte(answer), first[:n]...))
			go func() { _, _ = io.Copy(far, c); far.Close() }()
			_, _ = io.Copy(c, far)
		}
	}
	byHTTP := func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
				return
			}
		}
	}
	bySOCKS := func(c net.Conn) { _, _ = socksRequest(c) }
	tests := map[string]struct {
		scheme, answer string
		asked          func(net.Conn)
	}{
		"http":              {tunnel.ViaHTTP, "HTTP/1.1 200 OK\r\n\r\n", byHTTP},
		"http, bare lines":  {tunnel.ViaHTTP, "HTTP/1.0 200 OK\nA: b\n\n", byHTTP},
		"http, early hints": {tunnel.ViaHTTP, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", byHTTP},
		"http, with length": {tunnel.ViaHTTP, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", byHTTP},
		"http, chunked":     {tunnel.ViaHTTP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", byHTTP},
		"http, 201":         {tunnel.ViaHTTP, "HTTP/1.1 201 Created\r\n\r\n", byHTTP},
		"socks, IPv4":       {tunnel.ViaSOCKS5, "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", bySOCKS},
		"socks, name":       {tunnel.ViaSOCKS5, "\x05\x00\x00\x03\x05proxy\x00\x00", bySOCKS},
		"socks, IPv6":       {tunnel.ViaSOCKS5, "\x05\x00\x00\x04" + strings.Repeat("\x00", 18), bySOCKS},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := config("site.example", 22)
			c.Via, _ = fakeProxy(t, test.scheme, joined(test.answer, test.asked))
			l := open(t, c)
			must(t, l.Keepalive(soon(t)))
		})
	}
}

// TestProxyThatIsNotThere: its name is unknown, the resolver silent, its port closed.
func TestProxyThatIsNotThere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		host     string
		resolver func(*testing.T) *net.Resolver
		stage    string
	}{
		"unknown name": {"proxy.example", func(t *testing.T) *net.Resolver { return nameServer(t, nil) }, "name"},
		"no resolver":  {"proxy.example", func(t *testing.T) *net.Resolver { return resolverAt(at("127.0.0.1", freePort(t))) }, "name"},
		"closed port":  {"127.0.0.1", silentResolver, "tcp"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config("127.0.0.1", 22)
			c.Resolver = test.resolver(t)
			c.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: test.host, Port: freePort(t)}
			told := &steps{}
			c.Stage = told.add
			f := fails(t, c, tunnel.ProxyUnreachable)
			if !strings.Contains(f.Message, c.Via.Endpoint()) {
				t.Errorf("the message does not name the proxy: %s", f.Message)
			}
			want := []string{"name", "tcp proxy-unreachable"}
			if test.stage == "name" {
				want = []string{"name proxy-unreachable"}
			}
			told.want(t, want...)
		})
	}
}

// TestFilteredServerBehindAnHTTPProxy: the proxy is mute about it, and answers other questions.
func TestFilteredServerBehindAnHTTPProxy(t *testing.T) {
	t.Parallel()
	c := config("site.example", 22).WithHandshakeWait(shortly)
	c.Via, _ = fakeProxy(t, tunnel.ViaHTTP, func(p *net.TCPConn) {
		b := make([]byte, 4096)
		if n, _ := p.Read(b); bytes.HasPrefix(b[:n], []byte("CONNECT")) {
			_, _ = io.Copy(io.Discard, p)
		}
		_, _ = io.WriteString(p, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	wantCause(t, fails(t, c, tunnel.Unreachable), tunnel.Filtered, "")
}

// TestMethodsRefusedBySOCKS: no password was sent, and so none is called wrong.
func TestMethodsRefusedBySOCKS(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{"": "wants a user and a password", "pbx": "another way of logging in"} {
		c := config("site.example", 22)
		c.Via, _ = fakeProxy(t, tunnel.ViaSOCKS5, func(p *net.TCPConn) {
			_, _ = p.Read(make([]byte, 80))
			_, _ = p.Write([]byte{5, 0xff})
		})
		if c.Via.User = user; user != "" {
			c.Credential.Via = "secret"
		}
		f := fails(t, c, tunnel.ProxyRefused)
		wantCause(t, f, tunnel.ProxyLogin, "")
		if !strings.Contains(f.Message, want) || strings.Contains(f.Message, "does not take the password") {
			t.Errorf("of the user %q: %s", user, f.Message)
		}
	}
}

// TestNextAddressOfAProxyIsTried where the first gives no answer; where it does, the answer counts.
func TestNextAddressOfAProxyIsTried(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first func(*net.TCPConn)
		final tunnel.Reason // "" where the second is tried
	}{
		"mute":       {bad["silent"], ""},
		"hangs up":   {bad["hangs up"], ""},
		"SSH server": {bad["half"], ""},
		"refuses": {func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4096))
			say(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
		}, tunnel.ProxyRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := start(t, sshtest.Options{})
			second := serveAt(t, at(secondAddr, 0), func(c *net.TCPConn) {
				_, _ = c.Read(make([]byte, 4096))
				say(c, "HTTP/1.1 200 OK\r\n\r\n")
				pipeTo(c, site.Addr())
			})
			serveAt(t, at(firstAddr, second.port), test.first)
			c, told := twoAddresses(t, 0)
			c.Server = tunnel.Server{Host: "site.elsewhere", Port: 22, User: "root"}
			c.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: second.port}
			if test.final != "" {
				fails(t, c, test.final)
				if second.connections.Load() != 0 {
					t.Error("the second address was tried")
				}
				return
			}
			must(t, open(t, c).Keepalive(soon(t)))
			told.want(t, "name", "tcp", "proxy", "hostkey", "login")
		})
	}
}

// TestChangedKeyTypeIsShownThroughTheProxy: the second look at the server takes the same way.
func TestChangedKeyTypeIsShownThroughTheProxy(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{KeyType: "ecdsa"})
	c = through(c, tinyproxy(t, true))
	c.Pin = tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:other"}
	f := fails(t, c, tunnel.HostKeyMismatch)
	if want := s.Fingerprint(t, "sha256"); f.Shown.Fingerprint != want {
		t.Errorf("shown %s, want %s", f.Shown.Fingerprint, want)
	}
}

// TestSilentServerBehindAProxy: the kernel hears the proxy's machine, and only the keepalive asks the server.
func TestSilentServerBehindAProxy(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{})
	l := open(t, through(c, danted(t, false)))
	must(t, l.Keepalive(soon(t)))
	s.Freeze()
	defer s.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := l.Keepalive(ctx); err == nil {
		t.Fatal("a frozen server has answered")
	}
	if p := l.Peer(); p != sshtunnel.PeerAnswers {
		t.Errorf("the machine of a proxy that lives is %v", p)
	}
	s.Thaw()
	must(t, l.Keepalive(soon(t)))
}

// TestProxyThatStopsAndDies under a link that stands.
func TestProxyThatStopsAndDies(t *testing.T) {
	for name, start := range map[string]func() *proxied{
		"tinyproxy": func() *proxied { return tinyproxy(t, false) },
		"danted":    func() *proxied { return danted(t, false) },
	} {
		t.Run(name, func(t *testing.T) {
			_, c := byKey(t, sshdtest.Options{})
			p := start()
			l := open(t, through(c, p))
			p.signal(syscall.SIGSTOP)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			busy := wantReason(t, l.Keepalive(ctx), tunnel.ServerBusy)
			if d := busy.Diagnosis; !strings.Contains(d.Evidence[0], "the proxy "+p.Endpoint()) || !strings.HasPrefix(d.Fixes[0].Where, "a shell at the proxy") ||
				!strings.Contains(busy.Remedy, "the proxy "+p.Endpoint()) {
				t.Errorf("the proxy is not named first: %s, %+v", busy.Remedy, d)
			}
			p.signal(syscall.SIGCONT)
			must(t, l.Keepalive(soon(t)))
			p.stop()
			select {
			case <-l.gone:
			case <-time.After(10 * time.Second):
				t.Fatal("the link stands although the proxy is dead")
			}
			wantReason(t, l.stop(), tunnel.LinkLost)
			way := through(c, p)
			wantReason(t, run(soon(t), &way, func(context.Context, *sshtunnel.Link) error { return nil }), tunnel.ProxyUnreachable)
		})
	}
}

// TestEndedContextEndsTheTalkWithAProxy.
func TestEndedContextEndsTheTalkWithAProxy(t *testing.T) {
	for _, scheme := range []string{tunnel.ViaHTTP, tunnel.ViaSOCKS5} {
		c := config("site.example", 22)
		via, s := fakeProxy(t, scheme, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
		c.Via = via
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for s.connections.Load() == 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		began := time.Now()
		err := run(ctx, &c, func(context.Context, *sshtunnel.Link) error { return nil })
		if err != context.Canceled || time.Since(began) > 3*time.Second {
			t.Errorf("%s: got %v after %v", scheme, err, time.Since(began))
		}
	}
}

// TestSocketToAProxyHasTheOptionsOfALink reads back what the kernel was told.
func TestSocketToAProxyHasTheOptionsOfALink(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("site.example", 22)
	c.Via, _ = fakeProxy(t, tunnel.ViaHTTP, func(p *net.TCPConn) {
		_, _ = p.Read(make([]byte, 4096))
		say(p, "HTTP/1.1 200 OK\r\n\r\n")
		pipeTo(p, s.Addr())
	})
	l := open(t, c)
	for option, want := range map[int]int{unix.TCP_KEEPIDLE: 4, unix.TCP_USER_TIMEOUT: 2 * 60 * 60 * 1000} {
		if got := l.TCPOption(option); got != want {
			t.Errorf("option %d is %d, want %d", option, got, want)
		}
	}
}
