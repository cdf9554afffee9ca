package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var here = Place{Owner: "adsync", Path: "berlin.site", Field: "password", Host: "dc1.example.org", Port: 22, User: "culvert"}

const secret = tunnel.Secret("correct horse battery staple")

func sealer(t *testing.T, dir string) *Sealer {
	t.Helper()
	s, err := Open(Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t *testing.T, s *Sealer, at Place) []byte {
	t.Helper()
	b, err := s.Seal(at, secret)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	s := sealer(t, t.TempDir())
	for _, want := range []tunnel.Secret{secret, "", "\x00\xff", tunnel.Secret(strings.Repeat("k", 10_000))} {
		b, err := s.Seal(here, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(here, b); err != nil || got.Reveal() != want.Reveal() {
			t.Errorf("opened %d bytes, %v, want %d", len(got), err, len(want))
		}
	}
}

func TestSealedShowsNothing(t *testing.T) {
	s := sealer(t, t.TempDir())
	a, b := sealed(t, s, here), sealed(t, s, here)
	if bytes.Equal(a[headSize:], b[headSize:]) || bytes.Equal(a[headSize:headSize+nonceSize], b[headSize:headSize+nonceSize]) {
		t.Error("one secret sealed twice is the same")
	}
	plain := secret.Reveal()
	for i := range len(plain) - 4 {
		if bytes.Contains(a, []byte(plain[i:i+4])) {
			t.Errorf("it holds %q of the secret", plain[i:i+4])
		}
	}
	if bytes.Contains(a, []byte(base64.StdEncoding.EncodeToString([]byte(plain)))[:8]) {
		t.Error("it holds the secret in base64")
	}
}

// Each part of the place counts, and none can be made up for by its neighbour.
func TestSecretOpensNowhereElse(t *testing.T) {
	s := sealer(t, t.TempDir())
	b := sealed(t, s, here)
	for name, move := range map[string]func(*Place){
		"owner":                  func(p *Place) { p.Owner = "tapi" },
		"no owner":               func(p *Place) { p.Owner = "" },
		"path":                   func(p *Place) { p.Path = "berlin.site2" },
		"field":                  func(p *Place) { p.Field = "passphrase" },
		"host":                   func(p *Place) { p.Host = "evil.example.org" },
		"case of host":           func(p *Place) { p.Host = "DC1.example.org" },
		"port":                   func(p *Place) { p.Port = 2222 },
		"user":                   func(p *Place) { p.User = "root" },
		"proxy":                  func(p *Place) { p.Via = "http://proxy:1" },
		"owner into path":        func(p *Place) { p.Owner, p.Path = "adsyncb", "erlin.site" },
		"path into field":        func(p *Place) { p.Path, p.Field = "berlin.sit", "epassword" },
		"field into host":        func(p *Place) { p.Field, p.Host = "passworddc1", ".example.org" },
		"host into user":         func(p *Place) { p.Host, p.User = "dc1.example.or", "gculvert" },
		"owner and path swapped": func(p *Place) { p.Owner, p.Path = p.Path, p.Owner },
		"host and user swapped":  func(p *Place) { p.Host, p.User = p.User, p.Host },
	} {
		at := here
		move(&at)
		if got, err := s.Open(at, b); !errors.Is(err, ErrUnreadable) || got != "" {
			t.Errorf("%s: opened as %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := s.Open(here, b); err != nil {
		t.Error(err)
	}
}

func TestChangedSecretIsUnreadable(t *testing.T) {
	s := sealer(t, t.TempDir())
	b := sealed(t, s, here)
	for bit := range len(b) * 8 {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := s.Open(here, bad); !errors.Is(err, ErrUnreadable) || got != "" {
			t.Fatalf("bit %d: opened as %d bytes, %v", bit, len(got), err)
		}
	}
	for n := range b {
		if _, err := s.Open(here, b[:n]); !errors.Is(err, ErrUnreadable) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := s.Open(here, append(b, 0)); !errors.Is(err, ErrUnreadable) {
		t.Fatalf("with a byte more: %v", err)
	}
}

func TestOtherKeyIsNamed(t *testing.T) {
	first, second := sealer(t, t.TempDir()), sealer(t, t.TempDir())
	_, err := second.Open(here, sealed(t, first, here))
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "put the former key back") ||
		!strings.Contains(err.Error(), fmt.Sprintf("%x", first.head[1:])) {
		t.Errorf("error: %v", err)
	}
}

// The form at rest is for years: what an earlier Culvert sealed must open.
func TestFormIsKept(t *testing.T) {
	s, err := newSealer(bytes.Repeat([]byte{7}, keySize), Origin{})
	if err != nil {
		t.Fatal(err)
	}
	const kept = "AS2oXQDbKefC49ujl9lK+4JKNdhKGCN9ecZF8+H4uMJ8WO0ezc7zm67WtM4yQpdOxaLlax9i9JwOVLIGIv2+4RsPljHAlKfrQg=="
	b, err := base64.StdEncoding.DecodeString(kept)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(here, b); err != nil || got.Reveal() != secret.Reveal() {
		t.Errorf("opened %d bytes, %v", len(got), err)
	}
}
