package sshtunnel

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestMaskHidesEachFormOfASecret, and nothing beside it.
func TestMaskHidesEachFormOfASecret(t *testing.T) {
	tests := map[string]struct {
		password tunnel.Secret
		said     string
		want     string
	}{
		"nothing":                  {"swordfish", "squid/6.1", "squid/6.1"},
		"as it is, twice":          {"swordfish", "no swordfish, swordfish", "no ***, ***"},
		"within a word":            {"swordfish", "xswordfishx", "x***x"},
		"as HTTP says it":          {"swordfish", "Proxy-Authorization: Basic cGJ4OnN3b3JkZmlzaA==", "Proxy-Authorization: Basic ***=="},
		"without the padding":      {"swordfish", "cGJ4OnN3b3JkZmlzaA", "***"},
		"as SOCKS5 says it":        {"swordfish", "hello \x01\x03pbx\x09swordfish\r\n", "hello ***\r\n"},
		"what would be escaped":    {"sword\u00a0fi\u200bsh", "said sword\u00a0fi\u200bsh", "said ***"},
		"space at its edges":       {" swordfish ", "swordfish", "***"},
		"cut":                      {"swordfish", "no swordf", "no ***"},
		"cut as HTTP says it":      {"swordfish", "Basic cGJ4OnN3b3Jk", "Basic ***"},
		"cut to what may be any":   {"swordfish", "no swo", "no swo"},
		"short, a word":            {"ab", "pbx:ab, (ab) ab", "pbx:***, (***) ***"},
		"short, within words":      {"ab", "able cabs grab", "able cabs grab"},
		"short, as HTTP says it":   {"ab", "Basic cGJ4OmFi", "Basic ***"},
		"short, as SOCKS5 says it": {"ab", "\x01\x03pbx\x02abc", "***c"},
		"none":                     {"", "anything", "anything"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMask(tunnel.Credential{Login: tunnel.LoginKey, Via: test.password}, tunnel.Via{Scheme: tunnel.ViaHTTP, User: "pbx"})
			if got := m.over(test.said); got != test.want {
				t.Errorf("%q of %q becomes %q, want %q", test.password.Reveal(), test.said, got, test.want)
			}
		})
	}
}

// TestMaskOfALogin hides the password that the server is told, and no other.
func TestMaskOfALogin(t *testing.T) {
	c := tunnel.Credential{Login: tunnel.LoginPassword, Password: "swordfish"}
	if got := newMask(c, tunnel.Via{}).over("no swordfish"); got != "no ***" {
		t.Errorf("got %q", got)
	}
	c.Login = tunnel.LoginKey
	if got := newMask(c, tunnel.Via{}).over("no swordfish"); got != "no swordfish" {
		t.Errorf("a password that nobody is told is hidden: %q", got)
	}
}

func TestMaskedErrorIsStillItsCause(t *testing.T) {
	m := newMask(tunnel.Credential{Login: tunnel.LoginPassword, Password: "swordfish"}, tunnel.Via{})
	err := m.error(errors.Join(io.ErrUnexpectedEOF, errors.New("reason 2: swordfish")))
	if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
	if m.error(nil) != nil || m.error(io.EOF) != io.EOF {
		t.Error("an error without the secret is changed")
	}
}

// TestPasswordInABanner, which comes in pieces, is not quoted, nor in the methods that a server names.
func TestPasswordInABanner(t *testing.T) {
	l, err := newLogin((&Config{Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: "sunflower"}}).withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	l.offered = []string{"sunflower"}
	_, _ = l.hear("you sent sun"), l.hear("flower\nyour password has expired\n")
	said := strings.Join(l.evidence(), "\n")
	if strings.Contains(said, "sun") || !strings.Contains(said, `"you sent ***"`) || !strings.Contains(said, "the server takes: ***") {
		t.Errorf("the evidence is %s", said)
	}
	if !l.saysExpired() {
		t.Error("what the server said is not understood")
	}
}

// repeating is a connection to a server that answers all with a password.
type repeating struct {
	ssh.Conn // none: only what is below is used
	err      error
}

func (r repeating) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return nil, nil, r.err
}

func (r repeating) SendRequest(string, bool, []byte) (bool, []byte, error) {
	return false, nil, r.err
}

// TestPasswordInAnAnswer of a server that let us in is not quoted: not where it refuses, nor where it hangs up.
func TestPasswordInAnAnswer(t *testing.T) {
	c := (&Config{Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: "sunflower"}}).withDefaults()
	c.entered()
	link := func(err error) *Link { return &Link{config: c, conn: repeating{err: err}, ctx: t.Context()} }
	open := func(err error) error { return link(err).openNow("target", 1, func() {}, func() {}).err }
	refused, lost := &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "no sunflower"}, errors.New("ssh: disconnect, reason 2: sunflower")
	for what, err := range map[string]error{"refused": open(refused), "lost": open(lost), "request": link(lost).send(&request{}).err} {
		if text := err.Error(); strings.Contains(text, "sunflower") || !strings.Contains(text, "***") {
			t.Errorf("%s: %s", what, text)
		}
	}
}
