package sshtunnel_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// learning returns c with a place for the pin it learns.
func learning(c sshtunnel.Config) (sshtunnel.Config, *atomic.Pointer[tunnel.Pin], *atomic.Int32) {
	var pin atomic.Pointer[tunnel.Pin]
	var times atomic.Int32
	c.Learned = func(_ context.Context, p tunnel.Pin) error {
		pin.Store(&p)
		times.Add(1)
		return nil
	}
	return c, &pin, &times
}

func TestHostKeyIsLearnedOnceAndThenExpected(t *testing.T) {
	s := start(t, sshtest.Options{})
	c, pin, times := learning(config("127.0.0.1", s.Port()))
	open(t, c)
	want := tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: s.Fingerprint()}
	if *pin.Load() != want {
		t.Fatalf("learned %+v, want %+v", *pin.Load(), want)
	}
	c.Pin = want
	open(t, c)
	if times.Load() != 1 {
		t.Errorf("told %d times", times.Load())
	}
}

func TestHostKeyIsNotLearnedFromAServerThatRefusesTheLogin(t *testing.T) {
	s := start(t, sshtest.Options{Password: "other"})
	c, _, times := learning(config("127.0.0.1", s.Port()))
	fails(t, c, tunnel.LoginRefused)
	if times.Load() != 0 {
		t.Error("learned all the same")
	}
}

func TestChangedHostKeyBlocksBeforeAnyLogin(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	c.Pin = tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: s.Fingerprint()}
	keys := map[string]ssh.Signer{"same type": hostKey(t, "ed25519"), "ECDSA": hostKey(t, "ecdsa"), "RSA": hostKey(t, "rsa")}
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			s.SetHostKey(key)
			f := fails(t, c, tunnel.HostKeyMismatch)
			if f.Shown.Fingerprint != s.Fingerprint() || f.Shown.KeyType != key.PublicKey().Type() {
				t.Errorf("shown %+v, want %s %s", f.Shown, key.PublicKey().Type(), s.Fingerprint())
			}
			if !strings.Contains(f.Message, s.Fingerprint()) || !strings.Contains(f.Message, c.Pin.Fingerprint) {
				t.Errorf("the message does not name both keys: %s", f.Message)
			}
			accept := "culvert tunnel accept-key OWNER/NAME --fingerprint " + s.Fingerprint()
			if !strings.Contains(f.Remedy, accept+";") || !slices.ContainsFunc(f.Diagnosis.Fixes, func(x tunnel.Fix) bool { return x.Line == accept }) {
				t.Errorf("the line to paste does not name the key shown: %s, %+v", f.Remedy, f.Diagnosis.Fixes)
			}
		})
	}
	if sent := s.Logins(); len(sent) != 0 {
		t.Errorf("logins were sent: %v", sent)
	}
}

func TestPinnedTypesAreAskedFor(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		key := hostKey(t, kind)
		s := start(t, sshtest.Options{HostKey: key})
		c, pin, _ := learning(config("127.0.0.1", s.Port()))
		open(t, c)
		c.Pin = *pin.Load()
		open(t, c)
		if c.Pin.KeyType != key.PublicKey().Type() {
			t.Errorf("%s: pinned as %s", kind, c.Pin.KeyType)
		}
	}
}

// TestPinnedTypeIsChosenAmongSeveral: left to itself the negotiation would take another of the server's keys.
func TestPinnedTypeIsChosenAmongSeveral(t *testing.T) {
	keys := []ssh.Signer{hostKey(t, "ed25519"), hostKey(t, "ecdsa"), hostKey(t, "rsa")}
	s := start(t, sshtest.Options{HostKey: keys[0], MoreHostKeys: keys[1:]})
	for _, k := range keys {
		c := config("127.0.0.1", s.Port())
		c.Pin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: k.PublicKey().Type(), Fingerprint: ssh.FingerprintSHA256(k.PublicKey())}
		open(t, c)
		c.Pin.Fingerprint = s.Fingerprint() + "x"
		if f := fails(t, c, tunnel.HostKeyMismatch); f.Shown.KeyType != c.Pin.KeyType {
			t.Errorf("pinned %s, shown %s", c.Pin.KeyType, f.Shown.KeyType)
		}
	}
}

func TestGivenFingerprintConfirms(t *testing.T) {
	s := start(t, sshtest.Options{})
	for _, given := range []string{s.Fingerprint(), "MD5:" + s.FingerprintMD5(), "MD5:" + strings.ToUpper(s.FingerprintMD5())} {
		c, pin, _ := learning(config("127.0.0.1", s.Port()))
		c.Fingerprint = given
		open(t, c)
		if got := pin.Load(); got == nil || got.State != tunnel.PinConfirmed || got.Fingerprint != s.Fingerprint() {
			t.Errorf("given %s: pinned %+v", given, got)
		}
	}
}

func TestOtherFingerprintBlocks(t *testing.T) {
	s := start(t, sshtest.Options{})
	for _, given := range []string{"SHA256:" + strings.Repeat("A", 43), "MD5:" + strings.Repeat("00:", 15) + "00"} {
		c := config("127.0.0.1", s.Port())
		c.Fingerprint = given
		if f := fails(t, c, tunnel.HostKeyMismatch); f.Shown.Fingerprint != s.Fingerprint() {
			t.Errorf("shown %+v", f.Shown)
		}
	}
	if sent := s.Logins(); len(sent) != 0 {
		t.Errorf("logins were sent: %v", sent)
	}
}

func TestShortRSAHostKeyIsRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(k)
	must(t, err)
	s := start(t, sshtest.Options{HostKey: signer})
	fails(t, config("127.0.0.1", s.Port()), tunnel.AlgorithmRefused)
	if sent := s.Logins(); len(sent) != 0 {
		t.Errorf("logins were sent: %v", sent)
	}
}

func TestSSHDWithAnotherKeyGetsNoLogin(t *testing.T) {
	s, c := byKey(t, sshdtest.Options{})
	c, pin, _ := learning(c)
	l := open(t, c)
	l.stop()
	c.Pin = *pin.Load()
	if want := s.Fingerprint(t, "sha256"); c.Pin.Fingerprint != want {
		t.Fatalf("learned %s, want %s", c.Pin.Fingerprint, want)
	}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		s.Stop()
		s.NewHostKey(t, kind)
		s.Start(t)
		f := fails(t, c, tunnel.HostKeyMismatch)
		if want := s.Fingerprint(t, "sha256"); f.Shown.Fingerprint != want {
			t.Errorf("%s: shown %+v, want %s", kind, f.Shown, want)
		}
		if log := s.Log(); strings.Contains(log, "for root") || strings.Contains(log, "user root") {
			t.Errorf("%s: a login reached the server:\n%s", kind, log)
		}
	}
	c.Pin = tunnel.Pin{}
	c.Fingerprint = s.Fingerprint(t, "md5")
	open(t, c)
}

func hostKey(t *testing.T, kind string) ssh.Signer {
	t.Helper()
	var k any
	var err error
	switch kind {
	case "ed25519":
		s, err := sshtest.NewHostKey()
		must(t, err)
		return s
	case "ecdsa":
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	must(t, err)
	s, err := ssh.NewSignerFromKey(k)
	must(t, err)
	return s
}
