package sshtunnel

import (
	"errors"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// asked is what x/crypto/ssh asks while it connects. The library holds it for as long as the link lives, and so all that it
// refers to: once the link stands that is no more than what further key exchanges need.
type asked struct {
	rekeying pace // of all key exchanges, and so of those that the server asks for later

	mu    sync.Mutex
	shown string // the fingerprint of the host key; set by the first key exchange
	entry *entry // nil once the link stands
}

// hostKey is asked at the end of each key exchange. Later ones must not show another key than the first.
func (a *asked) hostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	a.rekeying.wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch now := ssh.FingerprintSHA256(key); a.shown {
	case now:
		return nil
	case "":
		a.shown = now
		return a.entry.checkHostKey(key)
	}
	return errors.New("the server showed another host key than at the beginning of the connection")
}

// method is asked before each method of login.
func (a *asked) method(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	e := a.entering()
	if e == nil {
		return nil, nil
	}
	e.begun = c.Metadata
	e.sock.throat.widen(gulps)
	return e.login.next(c)
}

// banner is told what the server says to people, which is of use during the login alone.
func (a *asked) banner(text string) error {
	if e := a.entering(); e != nil {
		return e.login.hear(text)
	}
	return nil
}

// entering is the entry as long as the link does not stand.
func (a *asked) entering() *entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entry
}

// entered lets go of the entry.
func (a *asked) entered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entry = nil
}
