package tunnel

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secret is text that goes in and never comes out: printed, logged or marshalled it is ***.
type Secret string

const hidden = "***"

// Reveal returns the secret itself. Its callers are few and hand it to the peer it is meant for.
func (s Secret) Reveal() string { return string(s) }

// String is *** whatever the secret.
func (s Secret) String() string { return hidden }

// GoString is *** whatever the secret.
func (s Secret) GoString() string { return hidden }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// MarshalText is *** whatever the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// UnmarshalText takes the secret.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }

// CheckSecret holds what is typed or pasted as a password, a passphrase or a module's secret to one line of UTF-8 without
// control characters: anything else was cut, or would arrive as something else. The finding is at field and does not
// repeat the secret.
func CheckSecret(field, s string) Findings {
	const wayOut = "check what was pasted; a secret that is really so cannot be used: change it, or log in with a key"
	switch {
	case !utf8.ValidString(s):
		return one(Malformed, field, "", "the secret is not UTF-8", wayOut)
	case strings.ContainsFunc(s, unicode.IsControl):
		return one(Malformed, field, "", "the secret holds a line break or another control character", wayOut)
	}
	return nil
}

// CheckSecretText is CheckSecret for a secret that may have lines, such as a private key in PEM: line breaks and tabs are
// part of it.
func CheckSecretText(field, s string) Findings {
	return CheckSecret(field, strings.NewReplacer("\n", "", "\t", "").Replace(s))
}

// Credential is what a tunnel logs in with.
type Credential struct {
	Login      Login
	Password   Secret // for LoginPassword
	PrivateKey Secret // for LoginKey: PEM, "" is the PBX's own key pair
	Passphrase Secret // of PrivateKey, on its way in only
	Via        Secret // the password of the proxy's user, "" where there is none
}
