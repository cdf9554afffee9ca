package sshtunnel

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// wire is a connection that is logged in.
type wire struct {
	sock     *socket
	conn     ssh.Conn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	pin      tunnel.Pin // the key the server showed, in the state it deserves
}

// attempt is one try to get a wire: what it needs, and the evidence it gathers on the way.
type attempt struct {
	config Config
	want   expected
	login  *login
	stages *stages
	sock   *socket

	mu      sync.Mutex
	pin     tunnel.Pin // the key shown; set once the key exchange is over
	refusal *Failure   // why that key is not taken
}

// connect finds, reaches and enters the server: name, TCP, host key, login.
func connect(ctx context.Context, c Config) (*wire, error) {
	release, err := c.Admit(ctx, hostPort(c.Server))
	if err != nil {
		return nil, err
	}
	defer release()
	a := &attempt{
		config: c,
		want:   expected{pin: c.Pin, fingerprint: c.Fingerprint},
		stages: &stages{tell: c.Stage},
	}
	if a.login, err = newLogin(c); err != nil {
		return nil, err
	}
	w, err := a.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	var f *Failure
	errors.As(err, &f)
	a.stages.end(f)
	return w, err
}

func (a *attempt) run(ctx context.Context) (*wire, error) {
	deadline, err := a.reach(ctx)
	if err != nil {
		return nil, err
	}
	a.stages.begin(StageHostKey)
	w, err := a.enter(ctx, deadline)
	if err == nil {
		a.stages.done(a.login.sent)
		return w, nil
	}
	if a.lacksPinnedType(err) {
		return nil, a.shownInstead(ctx)
	}
	return nil, a.classify(err)
}

// reach connects the socket and returns by when the key exchange must be over.
func (a *attempt) reach(ctx context.Context) (time.Time, error) {
	a.stages.begin(StageName)
	addrs, err := lookup(ctx, a.config.Resolver, a.config.Server.Host)
	if err != nil {
		return time.Time{}, err
	}
	a.stages.done(addrs[0].String())
	a.stages.begin(StageTCP)
	deadline := time.Now().Add(handshakeTimeout)
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	c, err := dial(bounded, addrs, a.config.Server)
	if err != nil {
		return deadline, err
	}
	if a.sock, err = newSocket(c); err != nil {
		_ = c.Close()
		return deadline, err
	}
	a.stages.done(c.RemoteAddr().String())
	return deadline, nil
}

// enter exchanges keys and logs in. x/crypto/ssh bounds neither, so the socket's deadline does: one until the host key
// has been checked, then a new one for the login.
func (a *attempt) enter(ctx context.Context, deadline time.Time) (*wire, error) {
	_ = a.sock.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = a.sock.Close() })
	defer stop()
	conn, channels, requests, err := ssh.NewClientConn(a.sock, hostPort(a.config.Server), &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		User:              a.config.Server.User,
		AuthCallback:      a.login.next,
		HostKeyCallback:   a.checkHostKey,
		HostKeyAlgorithms: hostKeyAlgorithms(a.want.keyType()),
		ClientVersion:     "SSH-2.0-Culvert",
	})
	if err != nil {
		_ = a.sock.Close()
		return nil, err
	}
	_ = a.sock.SetDeadline(time.Time{})
	pin, _ := a.shown()
	return &wire{sock: a.sock, conn: conn, channels: channels, requests: requests, pin: pin}, nil
}

// checkHostKey runs at the end of the first key exchange and again at each rekeying, where it must neither touch the
// deadline nor take another key than before.
func (a *attempt) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pin.Fingerprint != "" {
		if pinOf(key).Fingerprint != a.pin.Fingerprint {
			return errors.New("the server showed another host key than at the beginning of the connection")
		}
		return nil
	}
	if a.pin, a.refusal = a.want.check(key); a.refusal != nil {
		return a.refusal
	}
	a.stages.done(a.pin.KeyType + " " + a.pin.Fingerprint)
	a.stages.begin(StageLogin)
	return a.sock.SetDeadline(time.Now().Add(a.config.waits.login))
}

// shown returns the host key shown, once the key exchange is over, and why it is not taken.
func (a *attempt) shown() (tunnel.Pin, *Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pin, a.refusal
}

// lacksPinnedType reports whether the server has no key of the pinned type at all.
func (a *attempt) lacksPinnedType(err error) bool {
	var n *ssh.AlgorithmNegotiationError
	return errors.As(err, &n) && n.What == "host key" && a.want.keyType() != ""
}

// shownInstead finds out, by a second key exchange that ends before any login, which key the server has now that it has
// none of the pinned type. Only then is a second connection made.
func (a *attempt) shownInstead(ctx context.Context) *Failure {
	look := &attempt{config: a.config, login: a.login, stages: &stages{tell: func(Step) {}}}
	look.want.fingerprint = "none" // matches no key: the exchange ends as soon as the key is known
	deadline, err := look.reach(ctx)
	if err == nil {
		_, err = look.enter(ctx, deadline)
	}
	pin, _ := look.shown()
	f := a.want.mismatch(pin)
	if pin.Fingerprint == "" {
		f.Message = "the server no longer has a host key of the pinned type " + a.want.pin.KeyType + "; no login was sent"
		f.Err = err
	}
	return f
}
