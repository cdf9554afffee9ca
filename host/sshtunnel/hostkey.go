package sshtunnel

import (
	"crypto/rsa"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// pinOf is key as a pin that nobody has confirmed.
func pinOf(key ssh.PublicKey) tunnel.Pin {
	return tunnel.Pin{State: tunnel.PinLearned, KeyType: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}
}

// expected is what the host key is compared with.
type expected struct {
	pin         tunnel.Pin
	fingerprint string // given by a person, "SHA256:..." or "MD5:..."; "" when none was
}

// keyType is the type of key the server must show, "" when any will do.
func (e expected) keyType() string {
	if e.pin.State == tunnel.PinNone || e.pin.State == "" {
		return ""
	}
	return e.pin.KeyType
}

// check compares the key shown and returns the pin to keep: unchanged where there is one, confirmed where a person's
// fingerprint matched, else learned.
func (e expected) check(key ssh.PublicKey) (tunnel.Pin, *Failure) {
	shown := pinOf(key)
	if f := tooShort(key); f != nil {
		return shown, f
	}
	pinned := e.keyType() != ""
	switch {
	case pinned && e.pin.Fingerprint != shown.Fingerprint:
		return shown, e.mismatch(shown)
	case e.fingerprint != "" && !sameFingerprint(e.fingerprint, key):
		return shown, mismatch("the fingerprint given, "+e.fingerprint, shown)
	case e.fingerprint != "":
		shown.State = tunnel.PinConfirmed
	case pinned:
		shown.State = e.pin.State
	}
	return shown, nil
}

// sameFingerprint compares a fingerprint of either form with key.
func sameFingerprint(given string, key ssh.PublicKey) bool {
	if hex, ok := strings.CutPrefix(given, "MD5:"); ok {
		return strings.EqualFold(hex, ssh.FingerprintLegacyMD5(key))
	}
	return given == ssh.FingerprintSHA256(key)
}

// mismatch is the failure of a server that showed another key than the pinned one.
func (e expected) mismatch(shown tunnel.Pin) *Failure {
	return mismatch(fmt.Sprintf("the pinned %s key %s", e.pin.KeyType, e.pin.Fingerprint), shown)
}

func mismatch(want string, shown tunnel.Pin) *Failure {
	return &Failure{
		Reason: tunnel.HostKeyMismatch,
		Message: fmt.Sprintf("the server showed the %s key %s instead of %s; no login was sent",
			shown.KeyType, shown.Fingerprint, want),
		Remedy: "compare it at the server itself (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub, each file); " +
			"accept the key only if it is there: " + advisor{}.accepting(shown).Line + "; " +
			"if the server shows the expected key again: culvert tunnel restart OWNER/NAME",
		Shown: shown,
	}
}

// diagnoseHostKey adds to f, why a host key was not taken, what tells it apart.
func (e *entry) diagnoseHostKey(f *Failure) *Failure {
	a, out := e.advisor(), *f
	if f.Reason != tunnel.HostKeyMismatch {
		out.Diagnosis = diagnosis(tunnel.WeakHostKey, []string{f.Message},
			tunnel.Fix{Where: inShell, Line: "ssh-keygen -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"},
			a.hostKeyLine(), a.reload())
		return &out
	}
	cause, want := tunnel.KeyChanged, e.want.fingerprint
	if pinned := e.want.keyType(); pinned != "" {
		want = pinned + " " + e.want.pin.Fingerprint
		if pinned != f.Shown.KeyType {
			cause = tunnel.KeyTypeChanged
		}
	}
	shown := "none of that type"
	if f.Shown.Fingerprint != "" {
		shown = f.Shown.KeyType + " " + f.Shown.Fingerprint
	}
	out.Diagnosis = diagnosis(cause, []string{"expected: " + want, "shown: " + shown, "no login was sent"},
		a.showHostKeys(), a.accepting(f.Shown), a.tryingAgain())
	return &out
}

// accepting is the line for a server whose key is another one by now. It names the key, where one was shown: whoever
// pastes it accepts no other one that the server has shown meanwhile.
func (a advisor) accepting(shown tunnel.Pin) tunnel.Fix {
	var named []string
	if shown.Fingerprint != "" {
		named = []string{"--fingerprint", shown.Fingerprint}
	}
	fix := a.onPBX("tunnel accept-key", named...)
	fix.Where += ", if the key shown is one of these"
	return fix
}

// tryingAgain is the line for a server that has its old key back: nobody connects to it meanwhile to see that.
func (a advisor) tryingAgain() tunnel.Fix {
	fix := a.onPBX("tunnel restart")
	fix.Where += ", if the server shows the expected key again"
	return fix
}

// showHostKeys prints the fingerprints of the server's own keys.
func (a advisor) showHostKeys() tunnel.Fix {
	if isWindows(a.version) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: `Get-ChildItem $env:ProgramData\ssh\ssh_host_*_key.pub | ForEach-Object { ssh-keygen -lf $_ }`}
	}
	return tunnel.Fix{Where: inShell, Line: "for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $k; done"}
}

// tooShort refuses an RSA key that can be broken.
func tooShort(key ssh.PublicKey) *Failure {
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < minRSABits {
		return &Failure{
			Reason:  tunnel.AlgorithmRefused,
			Message: fmt.Sprintf("the server's RSA host key has only %d bits; no login was sent", r.N.BitLen()),
			Remedy:  "make a new host key at the server: ssh-keygen -t ed25519 -f /etc/ssh/ssh_host_ed25519_key",
		}
	}
	return nil
}
