package tunnel

import "fmt"

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

// Credential is what a tunnel logs in with.
type Credential struct {
	Login      Login
	Password   Secret // for LoginPassword
	PrivateKey Secret // for LoginKey: PEM, "" is the PBX's own key pair
	Passphrase Secret // of PrivateKey, on its way in only
}
