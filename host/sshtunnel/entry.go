package sshtunnel

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// entry is an attempt at one address: the key exchange and, once the host key was taken, the login. It gathers the
// evidence of how that goes.
type entry struct {
	*attempt
	addr netip.Addr
	at   string // addr as it is shown
	sock *socket

	within time.Duration    // the time the key exchange has
	begun  ssh.ConnMetadata // once the login has

	mu      sync.Mutex
	pin     tunnel.Pin // the key shown; set once the key exchange is over
	refusal *Failure   // why that key is not taken
	over    bool       // given up: no key is taken any more
}

// errGivenUp ends what x/crypto/ssh still does with an address that was given up.
var errGivenUp = errors.New("another address is tried")

// enter exchanges keys and logs in. x/crypto/ssh bounds neither, so the socket's deadline does: one until the host key
// has been checked, then a new one for the login.
func (e *entry) enter(ctx context.Context, by time.Time) (*wire, error) {
	e.within = time.Until(by).Round(time.Second)
	_ = e.sock.SetDeadline(by)
	stop := context.AfterFunc(ctx, func() { _ = e.sock.Close() })
	defer stop()
	a := &asked{entry: e}
	conn, channels, requests, err := ssh.NewClientConn(e.sock, hostPort(e.config.Server), &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		User:              e.config.Server.User,
		AuthCallback:      a.method,
		BannerCallback:    a.banner,
		HostKeyCallback:   a.hostKey,
		HostKeyAlgorithms: hostKeyAlgorithms(e.want.keyType()),
		ClientVersion:     "SSH-2.0-Culvert",
	})
	if err != nil {
		_ = e.sock.Close()
		unstick(e.begun)
		return nil, err
	}
	a.entered()
	e.sock.letIn()
	e.sock.sending.joinsPackets(conn)
	e.sock.reading.readsBy(conn)
	_ = e.sock.SetDeadline(time.Time{})
	pin, _ := e.shown()
	return &wire{sock: e.sock, conn: conn, channels: channels, requests: requests, pin: pin}, nil
}

// checkHostKey takes the key that the first key exchange has shown, or refuses it, and has the login begin.
func (e *entry) checkHostKey(key ssh.PublicKey) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return errGivenUp
	}
	if e.pin, e.refusal = e.want.check(key); e.refusal != nil {
		return e.refusal
	}
	e.stages.done(e.pin.KeyType + " " + e.pin.Fingerprint + " at " + e.at)
	e.stages.begin(StageLogin)
	e.sock.throat.widen(sips)
	return e.sock.SetDeadline(time.Now().Add(e.config.waits.login))
}

// shown returns the host key shown, once the key exchange is over, and why it is not taken.
func (e *entry) shown() (tunnel.Pin, *Failure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pin, e.refusal
}

// giveUp ends the entry for good and reports true if another address may be tried: no host key was shown here, so
// there is none that could be the wrong one, and no login was sent. A server without any key of the pinned type has
// shown as much.
func (e *entry) giveUp(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pin.Fingerprint != "" || e.lacksPinnedType(err) {
		return false
	}
	e.over = true
	return true
}

// why says how the entry failed, and at which of several addresses.
func (e *entry) why(ctx context.Context, err error) *Failure {
	var f *Failure
	switch {
	case e.lacksPinnedType(err):
		f = e.shownInstead(ctx)
	case errors.Is(err, errTalksOn) && strings.HasPrefix(e.greeting(), "SSH-"):
		f = talksOn(err)
	default:
		f = e.classify(err)
	}
	f.Err = e.config.mask.error(f.Err)
	if f.Reason == tunnel.LoginRefused {
		f.Version = e.advisor().version
	}
	if e.addrs.several && !strings.Contains(f.Message, e.at) {
		f.Message += " (at " + e.at + ")"
	}
	return f
}

// lacksPinnedType reports whether the server has no key of the pinned type at all.
func (e *entry) lacksPinnedType(err error) bool {
	var n *ssh.AlgorithmNegotiationError
	return errors.As(err, &n) && n.What == "host key" && e.want.keyType() != ""
}

// shownInstead finds out, by a second key exchange with the same address, which key the server has now that it has none
// of the pinned type.
func (e *entry) shownInstead(ctx context.Context) *Failure {
	pin, err := e.look(ctx, e.addr)
	f := e.want.mismatch(pin)
	if pin.Fingerprint == "" {
		f.Message = "the server no longer has a host key of the pinned type " + e.want.pin.KeyType + "; no login was sent"
		f.Err = err
	}
	return e.diagnoseHostKey(f)
}
