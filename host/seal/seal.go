// Package seal keeps the secrets of the registry unreadable at rest. The registry
// seals each secret as it comes in and stores only the sealed form; what opens it
// again is the engine's login, nothing else. The key lives outside the registry.
//
// A sealed secret opens only at the place that it was sealed for: the same owner,
// tunnel or setting, field, and the same server, port, user and proxy. Moved to
// any other record it is unreadable, so nobody who can write to the registry's
// file can have a password sent to a server of his own.
package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Place is where a secret belongs. Places are compared byte by byte: the caller
// normalises what may be written in two ways, such as the case of Host.
type Place struct {
	Owner string
	Path  string // the tunnel's name, or the settings path of a site
	Field string
	Host  string
	Port  int
	User  string
	Via   string // of a proxy's password: the proxy and its user
}

// ErrUnreadable is for a sealed secret that this key does not open here. To people
// it has the reason secret-unreadable.
var ErrUnreadable = errors.New("the secret is unreadable")

// Sealed form: version, key id, nonce, ciphertext with tag. All of it is
// authenticated, and so is the place.
const (
	version   = 1
	idSize    = 4
	headSize  = 1 + idSize
	nonceSize = chacha20poly1305.NonceSizeX
)

// Sealer seals and opens secrets with one key. It is safe for concurrent use.
type Sealer struct {
	origin Origin
	head   []byte // version and key id
	aead   cipher.AEAD
}

// newSealer derives what is needed from the key, so that the key itself encrypts
// nothing.
func newSealer(key []byte, origin Origin) (*Sealer, error) {
	sub, err := hkdf.Key(sha256.New, key, nil, "culvert: secrets at rest, v1", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	id, err := hkdf.Key(sha256.New, key, nil, "culvert: key id, v1", idSize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(sub)
	if err != nil {
		return nil, err
	}
	return &Sealer{origin: origin, head: append([]byte{version}, id...), aead: aead}, nil
}

// Origin tells where the key is from.
func (s *Sealer) Origin() Origin { return s.origin }

// Seal returns secret in the form that Open opens at the same place. Two results
// for one secret differ.
func (s *Sealer) Seal(at Place, secret tunnel.Secret) ([]byte, error) {
	out := make([]byte, headSize+nonceSize, headSize+nonceSize+len(secret)+s.aead.Overhead())
	copy(out, s.head)
	nonce := out[headSize:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return s.aead.Seal(out, nonce, []byte(secret.Reveal()), s.context(at)), nil
}

// Open returns the secret in sealed. ErrUnreadable: it was sealed with another key
// or for another place, or has been changed; the text says what to do.
func (s *Sealer) Open(at Place, sealed []byte) (tunnel.Secret, error) {
	if len(sealed) < headSize+nonceSize+s.aead.Overhead() || sealed[0] != version {
		return "", fmt.Errorf("%w: it is not in a form that this Culvert knows; enter it again", ErrUnreadable)
	}
	if head := sealed[:headSize]; !bytes.Equal(head, s.head) {
		return "", fmt.Errorf("%w: it was sealed with the key %x and the one in use (%s) is %x; put the former key back or enter the secret again",
			ErrUnreadable, head[1:], s.origin.Path, s.head[1:])
	}
	nonce, box := sealed[headSize:headSize+nonceSize], sealed[headSize+nonceSize:]
	plain, err := s.aead.Open(nil, nonce, box, s.context(at))
	if err != nil {
		return "", fmt.Errorf("%w: it was changed, or belongs to another tunnel, server or user; enter it again", ErrUnreadable)
	}
	return tunnel.Secret(plain), nil
}

// context is what a sealed secret is bound to: head and place, each text with its
// length before it, so that no two places give the same bytes.
func (s *Sealer) context(at Place) []byte {
	b := bytes.Clone(s.head)
	for _, text := range []string{at.Owner, at.Path, at.Field, at.Host, at.User} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(at.Port))
	return append(b, at.Via...) // last, so that secrets sealed before there were proxies open
}
