package sshtunnel

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// scripted is a proxy that says what it says, whatever it hears, and then hangs up.
type scripted struct {
	net.Conn // none: only what is below is used
	says     *bytes.Reader
}

func (s *scripted) Read(p []byte) (int, error)  { return s.says.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }

func (s *scripted) SetReadDeadline(time.Time) error { return nil }

// FuzzProxyAnswers has a hostile proxy say anything. A way stands only after a proper answer, and what follows that is
// left for SSH to the last byte; else there is one failure, fit to be shown, that does not hold the password.
func FuzzProxyAnswers(f *testing.F) {
	f.Add(true, []byte("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x\r\n"))
	f.Add(true, []byte("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.0 200\n\nSSH-2.0-x\r\n"))
	f.Add(true, []byte("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"\x1b[2J\"\r\n\r\n"))
	f.Add(true, []byte("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"))
	f.Add(true, []byte("HTTP/1.1 503 swordfish\r\nServer: swordfish\r\n\r\n"))
	f.Add(true, []byte("SSH-2.0-OpenSSH_9.2\r\n"))
	f.Add(true, []byte("swordfish\r\n"))
	f.Add(false, []byte("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x16SSH-2.0-x\r\n"))
	f.Add(false, []byte("\x05\x02\x01\x00\x05\x00\x00\x03\x05proxy\x00\x16SSH-2.0-x\r\n"))
	f.Add(false, []byte("\x05\x02\x01\x01"))
	f.Add(false, []byte("\x05\x00\x05\x05\x00\x01"))
	f.Fuzz(func(t *testing.T, http bool, says []byte) {
		w := &way{
			via: tunnel.Via{Scheme: tunnel.ViaSOCKS5, Host: "proxy.example", Port: 1080, User: "pbx"}, password: "swordfish",
			server: tunnel.Server{Host: "site.example", Port: 22, User: "root"}, from: "192.0.2.1", within: time.Second,
		}
		if http {
			w.via.Scheme = tunnel.ViaHTTP
		}
		w.mask = newMask(tunnel.Credential{Via: w.password}, w.via)
		c := &scripted{says: bytes.NewReader(says)}
		why := w.ask(c)
		rest, _ := io.ReadAll(c.says)
		if why == nil {
			if !endsAnAnswer(http, says[:len(says)-len(rest)]) {
				t.Errorf("a way stands after %q, %q is left", says, rest)
			}
			return
		}
		shown := append([]string{why.Message, why.Remedy}, why.Diagnosis.Evidence...)
		for _, x := range why.Diagnosis.Fixes {
			shown = append(shown, x.Where, x.Line)
		}
		for _, text := range shown {
			if strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "swordfish") {
				t.Errorf("shown %q", text)
			}
		}
	})
}

// endsAnAnswer reports whether what was read ends where the answer does, which is where SSH begins.
func endsAnAnswer(http bool, read []byte) bool {
	if !http {
		return len(read) >= 4+6 && read[0] == socksVersion
	}
	return bytes.HasPrefix(read, []byte("HTTP/")) && len(read) <= maxHead &&
		(bytes.HasSuffix(read, []byte("\n\n")) || bytes.HasSuffix(read, []byte("\n\r\n")))
}
