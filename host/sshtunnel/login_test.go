package sshtunnel_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestLogin pairs servers with credentials. Whatever happens, at most one method is sent per attempt.
func TestLogin(t *testing.T) {
	pair, err := sshtunnel.NewKeyPair("culvert@test")
	must(t, err)
	other, err := sshtunnel.NewKeyPair("")
	must(t, err)
	byPassword := tunnel.Credential{Login: tunnel.LoginPassword, Password: password}
	keyOf := func(k sshtunnel.KeyPair) tunnel.Credential {
		return tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: k.PEM()}
	}
	tests := map[string]struct {
		server sshtest.Options
		cred   tunnel.Credential
		reason tunnel.Reason // "" gets in
		sent   []string
	}{
		"password":                   {sshtest.Options{Password: password}, byPassword, "", []string{"password"}},
		"password preferred":         {sshtest.Options{Password: password, KeyboardInteractive: "x"}, byPassword, "", []string{"password"}},
		"wrong password, one method": {sshtest.Options{Password: "x", KeyboardInteractive: password}, byPassword, tunnel.LoginRefused, []string{"password"}},
		"keyboard-interactive":       {sshtest.Options{KeyboardInteractive: password}, byPassword, "", []string{"keyboard-interactive"}},
		"wrong answer":               {sshtest.Options{KeyboardInteractive: "x"}, byPassword, tunnel.LoginRefused, []string{"keyboard-interactive"}},
		"two questions": {sshtest.Options{KeyboardInteractive: password, Questions: []string{"Password: ", "Code: "}}, byPassword,
			tunnel.LoginRefused, []string{"keyboard-interactive"}},
		"key":                      {sshtest.Options{AuthorizedKeys: []string{pair.AuthorizedKey()}}, keyOf(pair), "", []string{"publickey"}},
		"unknown key":              {sshtest.Options{AuthorizedKeys: []string{pair.AuthorizedKey()}}, keyOf(other), tunnel.LoginRefused, []string{"publickey"}},
		"password where keys only": {sshtest.Options{AuthorizedKeys: []string{pair.AuthorizedKey()}}, byPassword, tunnel.LoginRefused, nil},
		"key where passwords only": {sshtest.Options{Password: password}, keyOf(pair), tunnel.LoginRefused, nil},
		"no password":              {sshtest.Options{Password: password}, tunnel.Credential{Login: tunnel.LoginPassword}, tunnel.SecretMissing, nil},
		"a key that is none":       {sshtest.Options{Password: password}, tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: "rubbish"}, tunnel.SecretUnreadable, nil},
		"no key at all":            {sshtest.Options{Password: password}, tunnel.Credential{Login: tunnel.LoginKey}, tunnel.SecretUnreadable, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, test.server)
			c := config("127.0.0.1", s.Port())
			c.Credential = test.cred
			l, err := tryOpen(t, c)
			if test.reason == "" {
				must(t, err)
				must(t, l.Keepalive(soon(t)))
			} else {
				f := wantReason(t, err, test.reason)
				if strings.Contains(f.Error()+f.Remedy, password) {
					t.Errorf("the password is in %+v", f)
				}
			}
			eventually(t, fmt.Sprintf("the server sees %v", test.sent), func() bool { return len(s.Logins()) >= len(test.sent) })
			if sent := slices.Compact(s.Logins()); !slices.Equal(sent, test.sent) {
				t.Errorf("methods sent: %v, want %v", sent, test.sent)
			}
		})
	}
}

func TestRefusedKeyGivesTheLineToPaste(t *testing.T) {
	pair, err := sshtunnel.NewKeyPair("culvert@test")
	must(t, err)
	s := start(t, sshtest.Options{AuthorizedKeys: []string{}})
	c := config("127.0.0.1", s.Port())
	c.Credential = tunnel.Credential{Login: tunnel.LoginKey}
	c.HostKey = func() (tunnel.Secret, error) { return pair.PEM(), nil }
	f := fails(t, c, tunnel.LoginRefused)
	if line, _, _ := strings.Cut(pair.AuthorizedKey(), " culvert@"); !strings.Contains(f.Remedy, line) {
		t.Errorf("the remedy does not hold the key's line: %s", f.Remedy)
	}
	c.Label = "operator/it" // for a tunnel the line has options, which are not known here
	f = fails(t, c, tunnel.LoginRefused)
	if !strings.HasSuffix(f.Remedy, ": culvert key show operator/it") || strings.Contains(fmt.Sprint(f.Remedy, f.Diagnosis), " ssh-ed25519 ") {
		t.Errorf("for a tunnel: %s %+v", f.Remedy, f.Diagnosis)
	}
	if !strings.HasPrefix(f.Version, "SSH-2.0-") {
		t.Errorf("the server calls itself %q", f.Version)
	}
}

func TestUnreadableOwnKeyIsSaid(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	c.Credential = tunnel.Credential{Login: tunnel.LoginKey}
	c.HostKey = func() (tunnel.Secret, error) { return "", errors.New("no such file") }
	fails(t, c, tunnel.SecretUnreadable)
}

func TestLearnedErrorEndsTheLink(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	full := errors.New("the registry is full")
	c.Learned = func(context.Context, tunnel.Pin) error { return full }
	if _, err := tryOpen(t, c); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the server sees the client go", func() bool { return s.Clients() == 0 })
}

func TestKeyPairIsMadeOnceAndPrivate(t *testing.T) {
	dir := t.TempDir()
	made := make(chan sshtunnel.KeyPair, 8)
	for range cap(made) {
		go func() {
			k, err := sshtunnel.LoadKeyPair(dir)
			if err != nil {
				t.Error(err)
			}
			made <- k
		}()
	}
	first := <-made
	for range cap(made) - 1 {
		if k := <-made; k.Fingerprint() != first.Fingerprint() {
			t.Error("two loads at the same time gave two keys")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	if len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
	info, err := os.Stat(files[0])
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	host, _ := os.Hostname()
	if line := first.AuthorizedKey(); !strings.HasPrefix(line, "ssh-ed25519 ") || !strings.HasSuffix(line, " culvert@"+host) {
		t.Errorf("line %q", line)
	}
}

func TestParsePrivateKey(t *testing.T) {
	pair, err := sshtunnel.NewKeyPair("")
	must(t, err)
	lockedPEM := lockedKey(t, "sesame")
	weak := rsaPEM(t, 1024)
	tests := map[string]struct {
		data, passphrase string
		says             string // "" is fine
	}{
		"plain":            {pair.PEM().Reveal(), "", ""},
		"locked":           {lockedPEM, "sesame", ""},
		"no passphrase":    {lockedPEM, "", "passphrase"},
		"wrong passphrase": {lockedPEM, "open", "read"},
		"weak RSA":         {weak, "", "no longer safe"},
		"good RSA":         {rsaPEM(t, 2048), "", ""},
		"empty":            {"", "", "no private key"},
		"huge":             {strings.Repeat("x", 1<<20), "", "more than"},
		"public key":       {pair.AuthorizedKey(), "", "not a private key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			k, err := sshtunnel.ParsePrivateKey([]byte(test.data), []byte(test.passphrase))
			switch {
			case test.says == "" && err != nil:
				t.Fatal(err)
			case test.says == "":
				again, err := sshtunnel.ParsePrivateKey([]byte(k.PEM().Reveal()), nil)
				if err != nil || again.Fingerprint() != k.Fingerprint() {
					t.Errorf("what it returned is not the key without its passphrase: %v", err)
				}
			case err == nil || !strings.Contains(err.Error(), test.says):
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
		})
	}
}

// lockedKey is a private key as ssh-keygen writes it, with the least of the work that slows guessing down.
func lockedKey(t *testing.T, passphrase string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", path).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("skipped: needs ssh-keygen (package openssh-client)")
	}
	if err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func rsaPEM(t *testing.T, bits int) string {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(k, "")
	must(t, err)
	return string(pem.EncodeToMemory(block))
}

// TestServerThatFailsDuringTheLogin is taken for one that refuses when it has just got a password, to spare a wrong one from
// being sent every few seconds; else trying again is right.
func TestServerThatFailsDuringTheLogin(t *testing.T) {
	t.Run("hangs up after a password", func(t *testing.T) {
		s := start(t, sshtest.Options{Password: password, OnLogin: (*sshtest.Server).Cut})
		fails(t, config("127.0.0.1", s.Port()), tunnel.LoginRefused)
	})
	t.Run("hangs up after an answer", func(t *testing.T) {
		s := start(t, sshtest.Options{KeyboardInteractive: password, OnLogin: (*sshtest.Server).Cut})
		fails(t, config("127.0.0.1", s.Port()), tunnel.LoginRefused)
	})
	t.Run("hangs up before it asks", func(t *testing.T) {
		s := start(t, sshtest.Options{KeyboardInteractive: password, OnQuestion: (*sshtest.Server).Cut})
		fails(t, config("127.0.0.1", s.Port()), tunnel.HandshakeClosed)
	})
	t.Run("hangs up after a key", func(t *testing.T) {
		pair, err := sshtunnel.NewKeyPair("")
		must(t, err)
		s := start(t, sshtest.Options{AuthorizedKeys: []string{pair.AuthorizedKey()}, OnLogin: (*sshtest.Server).Cut})
		c := config("127.0.0.1", s.Port())
		c.Credential = tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: pair.PEM()}
		fails(t, c, tunnel.HandshakeClosed)
	})
	t.Run("does not answer", func(t *testing.T) {
		stop := make(chan struct{})
		s := start(t, sshtest.Options{Password: password, OnLogin: func(*sshtest.Server) { <-stop }})
		t.Cleanup(func() { close(stop) })
		fails(t, config("127.0.0.1", s.Port()).WithWaits(200*time.Millisecond, time.Minute), tunnel.HandshakeTimeout)
	})
}

// TestSSHDRefusesLogins in the ways that only the real one does.
func TestSSHDRefusesLogins(t *testing.T) {
	tests := map[string]struct {
		config []string
		login  tunnel.Login
		says   string
	}{
		"wrong password":           {[]string{"PasswordAuthentication yes"}, tunnel.LoginPassword, "refused the password"},
		"wrong password, one try":  {[]string{"PasswordAuthentication yes", "MaxAuthTries 1"}, tunnel.LoginPassword, "refused the password"},
		"keyboard-interactive off": {[]string{"PasswordAuthentication no", "KbdInteractiveAuthentication yes"}, tunnel.LoginPassword, "refuses without asking"},
		"two factors": {[]string{"PasswordAuthentication yes", "AuthenticationMethods publickey,password"}, tunnel.LoginKey,
			"second proof of who it is (password)"},
		"user locked out": {[]string{"DenyUsers root"}, tunnel.LoginKey, "refused the key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := byKey(t, sshdtest.Options{Config: test.config})
			c.Credential = tunnel.Credential{Login: test.login, Password: password}
			f := fails(t, c, tunnel.LoginRefused)
			if !strings.Contains(f.Message, test.says) {
				t.Errorf("the message does not say %q: %v", test.says, f)
			}
			if n := strings.Count(s.Log(), "Failed password"); n > 1 {
				t.Errorf("%d passwords were sent", n)
			}
		})
	}
}
