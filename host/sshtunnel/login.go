package sshtunnel

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// login gives the credential to the server: one method per attempt, because each refused method counts as a failure of
// its own with the server's PAM and with whatever counts failures there.
type login struct {
	kind    tunnel.Login
	secret  string     // the password
	signer  ssh.Signer // the key
	offered []string   // what the server accepts, as evidence
	sent    string     // the method used
	given   bool       // the password was handed out to be sent
	asked   error      // why a question of the server could not be answered
	partial bool       // the server took it and wants more
	banner  []byte     // what the server said beside, for people; the beginning of it
	mask    mask
}

// maxBanner is how much of what a server says during the login is kept.
const maxBanner = 1024

// newLogin prepares the credential, reading the PBX's own key where the tunnel has none.
func newLogin(c *Config) (*login, error) {
	l := &login{kind: c.Credential.Login, secret: c.Credential.Password.Reveal(), mask: c.mask}
	if l.kind == tunnel.LoginPassword {
		if l.secret == "" {
			return nil, &Failure{
				Reason:    tunnel.SecretMissing,
				Message:   "there is no password to log in with",
				Remedy:    "give it: culvert tunnel secret OWNER/NAME --password-stdin",
				Diagnosis: diagnosis("", nil, advisor{label: c.Label}.onPBX("tunnel secret", "--password-stdin")),
			}
		}
		return l, nil
	}
	pem, err := privateKey(c)
	if err != nil {
		return nil, err
	}
	pair, err := ParsePrivateKey([]byte(pem.Reveal()), []byte(c.Credential.Passphrase.Reveal()))
	if err != nil {
		return nil, c.unreadable(err)
	}
	l.signer = pair.signer
	return l, nil
}

// privateKey is the tunnel's own key, else the PBX's.
func privateKey(c *Config) (tunnel.Secret, error) {
	if c.Credential.PrivateKey != "" || c.HostKey == nil {
		return c.Credential.PrivateKey, nil
	}
	pem, err := c.HostKey()
	if err != nil {
		return "", c.unreadable(err)
	}
	return pem, nil
}

func (c Config) unreadable(err error) *Failure {
	return &Failure{
		Reason:  tunnel.SecretUnreadable,
		Message: "the private key to log in with cannot be used",
		Remedy:  "give a key that ssh-keygen -y reads, or use the PBX's own: culvert tunnel set OWNER/NAME --key host",
		Diagnosis: diagnosis("", []string{err.Error()}, advisor{label: c.Label}.onPBX("tunnel set", "--key", "host"),
			tunnel.Fix{Where: onPBX, Line: "ssh-keygen -yf FILE"}),
		Err: err,
	}
}

// next is asked before each method and returns the one to use, or nil when there is no more to try.
func (l *login) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.offered = c.AllowedMethods
	l.partial = len(c.PartialSuccessMethods) > 0
	if l.sent != "" {
		return nil, nil
	}
	offers := func(method string) bool { return slices.Contains(c.AllowedMethods, method) }
	switch {
	case l.kind != tunnel.LoginPassword && offers("publickey"):
		l.sent = "publickey"
		return ssh.PublicKeys(l.signer), nil
	case l.kind == tunnel.LoginPassword && offers("password"):
		l.sent = "password"
		return ssh.PasswordCallback(func() (string, error) { return l.give(), nil }), nil
	case l.kind == tunnel.LoginPassword && offers("keyboard-interactive"):
		l.sent = "keyboard-interactive"
		return ssh.KeyboardInteractive(l.answer()), nil
	}
	return nil, nil
}

// give hands the password out.
func (l *login) give() string {
	l.given = true
	return l.secret
}

// answer answers one hidden question with the password, once. Anything else is not a question for the password.
func (l *login) answer() ssh.KeyboardInteractiveChallenge {
	used := false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		if used || len(questions) != 1 || echos[0] {
			l.asked = errors.New("the server asked " + quoted(tunnel.Clean(l.mask.over(strings.Join(questions, " / ")), 100)))
			return nil, l.asked
		}
		used = true
		return []string{l.give()}, nil
	}
}

// noun is what the login shows.
func (l *login) noun() string {
	if l.kind == tunnel.LoginPassword {
		return "password"
	}
	return "key"
}

// hear keeps what the server says to people during the login.
func (l *login) hear(text string) error {
	if room := maxBanner - len(l.banner); room > 0 {
		l.banner = append(l.banner, text[:min(room, len(text))]...)
	}
	return nil
}

// isRefusal reports whether err is the server's answer to a login, in the words of x/crypto/ssh: a method refused
// without a question of it ("unexpected message type") counts too.
func isRefusal(err error) bool {
	s := err.Error()
	for _, words := range []string{"unable to authenticate", "unexpected message type", "too many authentication"} {
		if strings.Contains(strings.ToLower(s), words) {
			return true
		}
	}
	return false
}

// errNoQuestion is in the text of the error of a method that was refused before the server asked anything.
const errNoQuestion = "unexpected message type 51"

// errNoSignature is in the text of the error of a login by RSA key at a server without SHA-2.
const errNoSignature = "no common public key signature algorithm"

var errNoKey = errors.New("no private key was given")
