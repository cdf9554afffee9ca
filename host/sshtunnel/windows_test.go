package sshtunnel_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestFixesForWindows: what is to be pasted at a Windows server has its paths and its commands, and nothing of Linux.
func TestFixesForWindows(t *testing.T) {
	const version = "SSH-2.0-OpenSSH_for_Windows_9.5"
	way := func(t *testing.T, o sshtest.Options) sshtunnel.Config {
		o.Version = version
		c := config("127.0.0.1", start(t, o).Port())
		c.Server.User, c.Label = `CORP\pbx`, "operator/it"
		return c
	}
	tests := map[string]struct {
		ask  func(t *testing.T) error
		want []string
	}{
		"a key": {func(t *testing.T) error {
			pair, err := sshtunnel.NewKeyPair("test")
			must(t, err)
			c := way(t, sshtest.Options{AuthorizedKeys: []string{"none"}})
			c.Credential = tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: pair.PEM()}
			return connecting(t, c)
		}, []string{`C:\ProgramData\ssh\administrators_authorized_keys`, `icacls.exe "C:\ProgramData\ssh\administrators_authorized_keys" /inheritance:r /grant "*S-1-5-32-544:F" /grant "*S-1-5-18:F"`, "Get-WinEvent"}},
		"a password": {func(t *testing.T) error {
			return connecting(t, way(t, sshtest.Options{Password: "another"}))
		}, []string{"culvert tunnel secret operator/it", "net user pbx /domain"}},
		"no forwarding": {func(t *testing.T) error {
			return open(t, way(t, sshtest.Options{NoForwarding: true})).Apply(soon(t), expose("e", 1, freePort(t)))
		}, []string{`C:\ProgramData\ssh\sshd_config`, "AllowTcpForwarding yes", "Restart-Service sshd"}},
		"no proof": {func(t *testing.T) error {
			l := open(t, way(t, sshtest.Options{NoTargets: true}))
			must(t, l.Apply(soon(t), expose("e", 1, freePort(t))))
			return l.Prove(soon(t), "e")
		}, []string{`C:\ProgramData\ssh\sshd_config`, "PermitOpen localhost:"}},
		"another host key": {func(t *testing.T) error {
			c := way(t, sshtest.Options{})
			c.Pin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-ed25519", Fingerprint: "SHA256:other"}
			return connecting(t, c)
		}, []string{`$env:ProgramData\ssh\ssh_host_*_key.pub`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var f *sshtunnel.Failure
			if err := test.ask(t); !errors.As(err, &f) || f.Diagnosis == nil {
				t.Fatalf("no diagnosis: %v", err)
			}
			all := ""
			for _, x := range f.Diagnosis.Fixes {
				all += x.Where + ": " + x.Line + "\n"
			}
			for _, want := range test.want {
				if !strings.Contains(all, want) {
					t.Errorf("no %q in\n%s", want, all)
				}
			}
			for _, alien := range []string{"/etc/", "systemctl", "journalctl", "chmod"} {
				if strings.Contains(all, alien) {
					t.Errorf("%q in\n%s", alien, all)
				}
			}
		})
	}
}

// TestExposureOfWindowsIsUnknown: it answers at the probe's address as if it had it.
func TestExposureOfWindowsIsUnknown(t *testing.T) {
	l := open(t, config("127.0.0.1", start(t, sshtest.Options{Version: "SSH-2.0-OpenSSH_for_Windows_9.5"}).Port()))
	must(t, l.Apply(soon(t), expose("e", counting(t).port, freePort(t))))
	must(t, l.Prove(soon(t), "e"))
	if b := l.Bound("e"); b != tunnel.BoundUnknown {
		t.Errorf("bound %s", b)
	}
}
