package sshtunnel

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// KeyPair is a private key to log in with. The zero KeyPair is of no use.
type KeyPair struct {
	signer  ssh.Signer
	pem     tunnel.Secret
	comment string
}

// maxKeyFile bounds what is read as a private key; the largest real ones have 13 KB.
const maxKeyFile = 64 << 10

// keyFile is the PBX's own private key in the directory given to LoadKeyPair.
const keyFile = "id_ed25519"

// NewKeyPair makes an Ed25519 key pair.
func NewKeyPair(comment string) (KeyPair, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return KeyPair{}, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{signer: signer, pem: tunnel.Secret(pem.EncodeToMemory(block)), comment: comment}, nil
}

// LoadKeyPair returns the PBX's own key pair, kept in dir with mode 0600 and made when there is none. Its comment is
// culvert@ and the host's name. Of two that make one at the same time, both get the one that was first.
func LoadKeyPair(dir string) (KeyPair, error) {
	path := filepath.Join(dir, keyFile)
	data, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKeyPair(path); err != nil {
			return KeyPair{}, fmt.Errorf("make the PBX's key pair %s: %w", path, err)
		}
		data, err = readKeyFile(path)
	}
	if err != nil {
		return KeyPair{}, fmt.Errorf("read the PBX's key pair: %w", err)
	}
	pair, err := ParsePrivateKey(data, nil)
	if err != nil {
		return KeyPair{}, fmt.Errorf("the PBX's key pair %s: %w; put back a copy, or move it away and a new one is made, which every site must let in", path, err)
	}
	pair.comment = ownComment()
	return pair, nil
}

// readKeyFile reads the private key, unless others can read it too.
func readKeyFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	} else if mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): whoever read it can log in at every site; if nobody did, chmod 600 %[1]s", path, mode.Perm())
	}
	return os.ReadFile(path)
}

// createKeyPair writes a new key pair whole or not at all: written aside, synced, then linked into place.
func createKeyPair(path string) error {
	pair, err := NewKeyPair(ownComment())
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(pair.pem.Reveal())
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ownComment() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "pbx"
	}
	return "culvert@" + name
}

// ParsePrivateKey reads a private key in any form ssh-keygen writes. What it returns is no longer protected by the
// passphrase. Refused: RSA below 2048 bits, DSA, and keys that live in a device.
func ParsePrivateKey(data, passphrase []byte) (KeyPair, error) {
	switch {
	case len(data) == 0:
		return KeyPair{}, errNoKey
	case len(data) > maxKeyFile:
		return KeyPair{}, fmt.Errorf("%d bytes is more than any private key has", len(data))
	}
	raw, err := ssh.ParseRawPrivateKey(data)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if len(passphrase) == 0 {
			return KeyPair{}, errors.New("the private key is protected by a passphrase, and none was given")
		}
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase)
	}
	if err != nil {
		return KeyPair{}, fmt.Errorf("not a private key that can be read: %w", err)
	}
	return pairOf(raw)
}

// pairOf restricts a private key to the signatures that are allowed, and writes it in the one form that is kept.
func pairOf(raw any) (KeyPair, error) {
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return KeyPair{}, err
	}
	switch signer.PublicKey().Type() {
	case ssh.InsecureKeyAlgoDSA: //nolint:staticcheck // named to be refused
		return KeyPair{}, errors.New("DSA keys are no longer safe; make another: ssh-keygen -t ed25519")
	case ssh.KeyAlgoRSA:
		if f := tooShort(signer.PublicKey()); f != nil {
			return KeyPair{}, fmt.Errorf("RSA keys below %d bits are no longer safe; make another: ssh-keygen -t ed25519", minRSABits)
		}
		signer, err = ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
		if err != nil {
			return KeyPair{}, err
		}
	}
	block, err := ssh.MarshalPrivateKey(raw, "")
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{signer: signer, pem: tunnel.Secret(pem.EncodeToMemory(block))}, nil
}

// PEM is the private key without a passphrase.
func (k KeyPair) PEM() tunnel.Secret { return k.pem }

// AuthorizedKey is the public key as one line for authorized_keys, without a newline.
func (k KeyPair) AuthorizedKey() string { return authorizedLine(k.signer.PublicKey(), k.comment) }

// Fingerprint is the public key's, "SHA256:...".
func (k KeyPair) Fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

func authorizedLine(key ssh.PublicKey, comment string) string {
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if comment != "" {
		line += " " + comment
	}
	return line
}
