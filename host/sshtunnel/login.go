package sshtunnel

import (
	"errors"
	"fmt"
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
}

// newLogin prepares the credential, reading the PBX's own key where the tunnel has none.
func newLogin(c Config) (*login, error) {
	l := &login{kind: c.Credential.Login, secret: c.Credential.Password.Reveal()}
	if l.kind == tunnel.LoginPassword {
		if l.secret == "" {
			return nil, &Failure{
				Reason:  tunnel.SecretMissing,
				Message: "there is no password to log in with",
				Remedy:  "give it: culvert tunnel secret OWNER/NAME --password-stdin",
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
		return nil, unreadable(err)
	}
	l.signer = pair.signer
	return l, nil
}

// privateKey is the tunnel's own key, else the PBX's.
func privateKey(c Config) (tunnel.Secret, error) {
	if c.Credential.PrivateKey != "" || c.HostKey == nil {
		return c.Credential.PrivateKey, nil
	}
	pem, err := c.HostKey()
	if err != nil {
		return "", unreadable(err)
	}
	return pem, nil
}

func unreadable(err error) *Failure {
	return &Failure{
		Reason:  tunnel.SecretUnreadable,
		Message: "the private key to log in with cannot be used",
		Remedy:  "give a key that ssh-keygen -y reads, or use the PBX's own: culvert tunnel set OWNER/NAME --key host",
		Err:     err,
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
			l.asked = fmt.Errorf("the server asked %q", tunnel.Clean(strings.Join(questions, " / "), 100))
			return nil, l.asked
		}
		used = true
		return []string{l.give()}, nil
	}
}

// refused says why the server did not let us in.
func (l *login) refused(user string, err error) *Failure {
	f := &Failure{Reason: tunnel.LoginRefused, Err: err}
	who := tunnel.Clean(user, 80)
	offers := tunnel.Clean(strings.Join(l.offered, ", "), 120)
	switch {
	case l.partial:
		f.Message = fmt.Sprintf("the server took the %s of %s and wants a second proof of who it is (%s)", l.noun(), who, offers)
		f.Remedy = "exempt this user from the second factor at the server, or log in by key: culvert key show"
	case l.asked != nil:
		f.Message = fmt.Sprintf("the server asked more of %s than a password", who)
		f.Remedy = "log in by key instead: culvert key show prints the line for ~/.ssh/authorized_keys there"
		f.Err = l.asked
	case l.sent == "keyboard-interactive" && strings.Contains(err.Error(), errNoQuestion):
		f.Message = fmt.Sprintf("the server offers to ask %s for a password, but refuses without asking", who)
		f.Remedy = "allow PasswordAuthentication in the server's sshd_config, or log in by key: culvert key show"
	case l.sent == "":
		f.Message = fmt.Sprintf("the server takes no login by %s (it takes: %s)", l.noun(), offers)
		f.Remedy = "use another way to log in, or allow this one in the server's sshd_config"
	case l.kind == tunnel.LoginPassword:
		f.Message = fmt.Sprintf("the server refused the password of %s", who)
		f.Remedy = "check user and password, then give it again: culvert tunnel secret OWNER/NAME --password-stdin"
	default:
		f.Message = fmt.Sprintf("the server refused the key %s for %s", ssh.FingerprintSHA256(l.signer.PublicKey()), who)
		f.Remedy = fmt.Sprintf("put this line into ~%s/.ssh/authorized_keys at the server: %s", who, authorizedLine(l.signer.PublicKey(), ""))
	}
	return f
}

// leftUnanswered says that the server hung up when it had the password. Appliances and those who lock others out answer a
// wrong password like that, and sending it every few seconds would only feed them. A server that was cut off by chance in
// this moment looks the same: then the tunnel waits longer than it must. A login by key never does, because keys that are
// shown again harm nothing.
func (l *login) leftUnanswered(user string, err error) *Failure {
	return &Failure{
		Reason:  tunnel.LoginRefused,
		Message: fmt.Sprintf("the server hung up when it was given the password of %s, without an answer", tunnel.Clean(user, 80)),
		Remedy: "check user and password, then give it again: culvert tunnel secret OWNER/NAME --password-stdin; " +
			"if they are right, the server's log says why (journalctl -u ssh)",
		Err: err,
	}
}

// noun is what the login shows.
func (l *login) noun() string {
	if l.kind == tunnel.LoginPassword {
		return "password"
	}
	return "key"
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
