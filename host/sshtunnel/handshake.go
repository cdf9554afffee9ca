package sshtunnel

import (
	"context"
	"errors"
	"net/netip"
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

// attempt is one try to get a wire, by whichever of the server's addresses is good.
type attempt struct {
	config *Config
	want   expected
	login  *login
	stages *stages
	addrs  *addresses
}

// connect finds, reaches and enters the server: name, TCP, the way through a proxy, host key, login.
func connect(ctx context.Context, c *Config) (*wire, error) {
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
	e, by, err := a.first(ctx)
	for err == nil {
		var w *wire
		if w, err = e.enter(ctx, by); err == nil {
			a.stages.done(a.login.sent)
			return w, nil
		}
		if !e.giveUp(err) {
			return nil, e.why(ctx, err)
		}
		e, by, err = a.another(ctx, e, err)
	}
	return nil, err
}

// first finds the addresses, the server's or its proxy's, connects to one of them and is let through. It returns by when
// the key exchange must be over.
func (a *attempt) first(ctx context.Context) (*entry, time.Time, error) {
	a.stages.begin(StageName)
	all, err := a.lookup(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	a.stages.done(a.whose(all[0].String()))
	a.stages.begin(StageTCP)
	a.addrs = newAddresses(a.config, all)
	e, err := a.reach(ctx, a.addrs.deadline)
	if err != nil {
		return nil, time.Time{}, err
	}
	a.stages.done(a.whose(e.sock.RemoteAddr().String()))
	if a.config.proxied() {
		a.stages.begin(StageProxy)
		if e, err = a.pass(ctx, e); err != nil {
			return nil, time.Time{}, err
		}
		a.stages.done(wayOpened(a.config))
	}
	a.stages.begin(StageHostKey)
	return e, a.addrs.share(), nil
}

// another connects to another address when there was no key exchange with that of e. Nothing is told of it but the end:
// the stage is the key exchange with the server, wherever that is.
func (a *attempt) another(ctx context.Context, e *entry, err error) (*entry, time.Time, error) {
	a.addrs.fail(e.addr, e.why(ctx, err))
	if len(a.addrs.left) == 0 {
		return nil, time.Time{}, a.addrs.failure()
	}
	by := a.addrs.share()
	e, err = a.reach(ctx, by)
	return e, by, err
}

// reach connects to one of the addresses left.
func (a *attempt) reach(ctx context.Context, by time.Time) (*entry, error) {
	d, err := a.addrs.dial(ctx, by)
	if err != nil {
		return nil, err
	}
	e := &entry{attempt: a, addr: d.addr, at: a.addrs.at(d.conn)}
	if e.sock, err = newSocket(d.conn); err != nil {
		_ = d.conn.Close()
		return nil, err
	}
	return e, nil
}

// look finds out which host key is shown at addr, by a key exchange that ends before any login.
func (a *attempt) look(ctx context.Context, addr netip.Addr) (tunnel.Pin, error) {
	l := &attempt{
		config: a.config,
		want:   expected{fingerprint: "none"}, // matches no key: the exchange ends as soon as the key is known
		login:  a.login,
		stages: &stages{tell: func(Step) {}},
		addrs:  newAddresses(a.config, []netip.Addr{addr}),
	}
	e, err := l.reach(ctx, l.addrs.deadline)
	if err == nil && a.config.proxied() {
		e, err = l.pass(ctx, e)
	}
	if err != nil {
		return tunnel.Pin{}, err
	}
	_, err = e.enter(ctx, l.addrs.deadline)
	pin, _ := e.shown()
	return pin, err
}
