// Package sshtunnel is the SSH engine: one call opens one link to one SSH server and returns when that link is gone.
//
// The supervisor calls Run for each active tunnel and, while the link lives, tells the Link which mappings to carry and
// asks for evidence that they do. Nothing here retries, remembers or decides what a tunnel's state is: a call does its
// work until its context ends and returns what it found, as a Failure with a reason, one sentence and one remedy.
//
// Promises: every call returns by its deadline, also when the server is mute. No login is sent to a server whose host
// key is not the expected one. One mapping's failure, load or removal touches no other mapping's connections. Only
// channels for ports that were asked for are taken, all others are refused; no session channel and no agent exists.
// When Run has returned, no goroutine, socket or port of the link is left.
package sshtunnel

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The waits of the engine. Each bounds what a silent peer can cost.
const (
	lookupTimeout    = 10 * time.Second      // for the resolver
	handshakeTimeout = 10 * time.Second      // for TCP, a proxy and key exchange together; several addresses share it, see minShare
	loginTimeout     = 30 * time.Second      // for the login after the key exchange, in its entirety
	requestTimeout   = 10 * time.Second      // for a forward to be granted, when the caller's context ends later
	openTimeout      = 30 * time.Second      // for a client's channel to its target
	targetTimeout    = 10 * time.Second      // for the service behind a mapping to take a connection
	halfDead         = 10 * time.Minute      // for a byte of a connection of which one side has ended, and for the answer to its end
	patience         = 10 * time.Minute      // a request unanswered for so long ends the link; another was tried beside it long before
	farewell         = time.Second           // for handing ports back when a link ends
	lateOpen         = 20 * time.Millisecond // between looks for opens that the end of a link has missed
)

// Config says which server to connect to, how to log in and what to ask along the way. Its functions are called from
// Run's goroutines; only Server is required.
type Config struct {
	Server     tunnel.Server
	Credential tunnel.Credential

	// Via is the proxy to go through, with Credential.Via as its password; the zero Via is none. The proxy's name is looked
	// up here, the server's by the proxy. What TCP tells of a silent peer then tells of the proxy, see Peer.
	Via tunnel.Via

	// LAN is the server's address in its own network, where the PBX knows it under another; "" when none was given.
	LAN string

	// Earlier is when the last link to this server came up that it may not have given up yet; zero where there is none.
	Earlier time.Time

	// Label is what the tunnel is called, OWNER/NAME: it stands in what people are told to type, and in what another tunnel is
	// told that meets this one.
	Label string

	// Mappings are those of the whole tunnel as it shall be now, whichever link carries them: what a key's line has to allow.
	// Nil where that is not known.
	Mappings func() []tunnel.Mapping

	// Crossing is where the links of this process recognise each other; nil is one of the Run's own.
	Crossing *Crossing

	// HostKey returns the PBX's own private key as PEM, for a login by key without a key of the tunnel's own.
	HostKey func() (tunnel.Secret, error)

	// Pin is the host key the server must show; the zero Pin accepts any on first use. Fingerprint, if given, must
	// match too: "SHA256:..." or "MD5:aa:bb:...".
	Pin         tunnel.Pin
	Fingerprint string

	// Learned is told the host key once after a login that succeeded, when the pin is new: learned at first use, or
	// confirmed by Fingerprint. Its error ends the link.
	Learned func(ctx context.Context, pin tunnel.Pin) error

	// Admit waits until a handshake with server ("host:port") may begin; release is called when it is over.
	Admit func(ctx context.Context, server string) (release func(), err error)

	// DialLocal connects to the service behind an expose mapping. Nil dials its local endpoint by TCP.
	DialLocal func(ctx context.Context, m tunnel.Mapping) (net.Conn, error)

	// Missed is told when a connection that came from the server did not get to the service behind its mapping, and why:
	// never because the link is gone, which says nothing about the service. It returns at once.
	Missed func(m tunnel.Mapping, why *Failure)

	// Stage is told how far the connection has come.
	Stage func(Step)

	// Limits bounds the connections of this link together with those of all others that have the same; nil bounds none.
	Limits *Limits

	Resolver *net.Resolver // nil is the system's
	Log      hclog.Logger  // nil is silence

	waits waits
	mask  mask // of Credential
}

// waits are those of the engine's waits, and of its limits, that tests change.
type waits struct {
	handshake time.Duration // for TCP, the way through a proxy and the key exchange
	login     time.Duration // for the login after the key exchange
	patience  time.Duration // for the answer to a request, before the link is ended
	open      time.Duration // for a client's channel to its target
	halfDead  time.Duration // for a byte of a connection of which one side has ended

	maxOfLink int64 // connections
}

// Run connects to the server, checks its host key, logs in and calls stands with the link. The context given to stands
// ends when the link is over: it is gone, with the Failure as the context's cause, ctx has ended, or End was called. stands
// returns at once, with what Run is to call then: once leave has returned nobody uses the link any more, and Run returns
// when everything of it is closed; ports asked of the server are handed back first. A link that was retired keeps its
// socket, and Run, until the server has heard of its end: see Retire. What c points to is copied and not changed.
//
// The error is a *Failure when connecting failed or the link was lost, the context's error when ctx ended, what Admit or
// Learned returned when that failed, else what End was given.
//
// All addresses of the server's name are tried: first which of them takes a connection, then, as long as no host key was
// shown, the next one whenever there was no key exchange. A wrong host key and a login are final.
func Run(ctx context.Context, c *Config, stands func(ctx context.Context, l *Link) (leave func())) error {
	l, err := openApart(ctx, c.withDefaults(), stands)
	if err != nil {
		return err
	}
	l.receive()
	l.sock.expire(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.why()
}

// openApart is open in a goroutine of its own: whoever calls Run receives what comes as long as the link lives, and waits
// for that on a small stack where nothing deep has made it grow.
func openApart(ctx context.Context, c *Config, stands func(context.Context, *Link) func()) (l *Link, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = open(ctx, c, stands)
	}()
	<-done
	return l, err
}

// open opens a link and tells of it, unless its host key is not welcome.
func open(ctx context.Context, c *Config, stands func(context.Context, *Link) func()) (*Link, error) {
	w, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	l := newLink(ctx, c, w)
	if err := l.remember(w.pin); err != nil {
		l.End(err)
		return l, nil
	}
	l.config.entered()
	l.leave = stands(l.ctx, l)
	return l, nil
}

// entered lets go of what served to get in. The mask stays: a server may repeat a password at any time.
func (c *Config) entered() {
	c.Credential = tunnel.Credential{Login: c.Credential.Login}
	c.HostKey, c.Admit, c.Learned, c.Stage = nil, nil, nil, nil
}

// withDefaults is a copy in which what was left out is filled in, so that nobody else asks for nil.
func (c *Config) withDefaults() *Config {
	filled := *c
	c = &filled
	c.mask = newMask(c.Credential, c.Via)
	if c.Learned == nil {
		c.Learned = func(context.Context, tunnel.Pin) error { return nil }
	}
	if c.Admit == nil {
		c.Admit = func(context.Context, string) (func(), error) { return func() {}, nil }
	}
	if c.DialLocal == nil {
		c.DialLocal = dialLocal
	}
	if c.Missed == nil {
		c.Missed = func(tunnel.Mapping, *Failure) {}
	}
	if c.Stage == nil {
		c.Stage = func(Step) {}
	}
	if c.Crossing == nil {
		c.Crossing = NewCrossing()
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	c.waits.handshake = cmp.Or(c.waits.handshake, handshakeTimeout)
	c.waits.login = cmp.Or(c.waits.login, loginTimeout)
	c.waits.patience = cmp.Or(c.waits.patience, patience)
	c.waits.open = cmp.Or(c.waits.open, openTimeout)
	c.waits.halfDead = cmp.Or(c.waits.halfDead, halfDead)
	c.waits.maxOfLink = cmp.Or(c.waits.maxOfLink, maxOfLink)
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	return c
}
