package sshtunnel

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"
)

// endpoints is the payload of a direct-tcpip and of a forwarded-tcpip channel (RFC 4254, 7.2).
type endpoints struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// A channel can stay unanswered for as long as the server waits for its target: two minutes for one that is silent. So
// what one mapping may have unanswered is bounded, and apart from the host's own questions; then the silent target of one
// takes nothing from the others, and the server keeps descriptors for them.
const (
	maxOpening  = 64   // clients of one mapping that the server has not answered; more wait for their turn
	maxChecking = 16   // proofs and questions of the host about one mapping; more are not asked
	maxOpens    = 8192 // of one link, more than all its mappings together: for those that come and go
)

// place is what a channel occupies on the PBX.
type place struct {
	answered func() // called when the server has opened or refused it
	gone     func() // called after that when nothing of it is left at the server

	late func(*channel) // called with a channel that comes too late, before it is closed; nil does nothing
}

// openForClient opens a channel to the mapping's target for a client that has a place in the mapping; release gives that
// back, once nothing of the channel is left at the server.
func (m *mapping) openForClient(ctx context.Context, release func()) (*channel, error) {
	select {
	case m.opening <- struct{}{}:
		return m.link.open(ctx, m.targetHost(), m.Remote.Port, place{answered: func() { <-m.opening }, gone: release})
	case <-ctx.Done():
	}
	release()
	if m.link.ctx.Err() != nil {
		return nil, m.link.gone()
	}
	return nil, busy("too many connections of this mapping wait for the SSH server to open them")
}

// openForCheck opens a channel for a question of the host about the mapping; late is called with one that comes too late.
func (m *mapping) openForCheck(ctx context.Context, host string, late func(*channel)) (*channel, error) {
	gone := func() { m.checking.Add(-1) }
	if m.checking.Add(1) > maxChecking {
		gone()
		return nil, busy("the SSH server has left many questions about this mapping unanswered")
	}
	return m.link.open(ctx, host, m.Remote.Port, place{answered: func() {}, gone: gone, late: late})
}

// opened is the server's answer to a channel.
type opened struct {
	ch  *channel
	err error
}

// open asks the server to connect to host and port. The error is an *ssh.OpenChannelError when the server refused, a
// *Failure when the link is gone, its peer silent or too much unanswered, else an *unanswered. The call of x/crypto/ssh cannot be
// cancelled, so it has a goroutine of its own; a channel that comes too late is closed.
//
// p is given back in any case.
func (l *Link) open(ctx context.Context, host string, port int, p place) (*channel, error) {
	answered := func() { l.opening.Add(-1); p.answered() }
	if err := l.mayOpen(ctx); err != nil {
		answered()
		p.gone()
		return nil, err
	}
	unwanted := make(chan struct{})
	defer close(unwanted)
	reply := make(chan opened)
	started := l.spawn(func() {
		o := l.openNow(host, port, answered, p.gone)
		select {
		case reply <- o:
		case <-unwanted:
			if o.err == nil && p.late != nil {
				p.late(o.ch)
			}
			if o.err == nil {
				_ = o.ch.Close()
			}
		}
	})
	if !started {
		answered()
		p.gone()
		return nil, l.gone()
	}
	half := halfTime(ctx)
	askForLife := time.AfterFunc(time.Until(half), func() { l.alive.ask(l) })
	defer askForLife.Stop()
	select {
	case o := <-reply:
		return o.ch, o.err
	case <-l.ctx.Done():
		return nil, l.gone()
	case <-ctx.Done():
		if !l.sock.pulse.answers() {
			return nil, l.noAnswer("to connect to a target")
		}
		return nil, &unanswered{error: ctx.Err(), alive: l.sock.heardSince(half)}
	}
}

// mayOpen counts one more channel that is asked for, and waits until that may be done.
func (l *Link) mayOpen(ctx context.Context) error {
	if l.opening.Add(1) > maxOpens {
		return busy("too many connections wait for the SSH server to open them")
	}
	return l.awaitPeer(ctx, "to connect to a target")
}

// unanswered is the error of an open that the server has left unanswered. Whether it is the target that is silent or the
// server itself is told by evidence: a server that works has said something in the second half of the wait, because at
// half time it is asked for a sign of life. A wait that its caller cut short before is no evidence against the target.
type unanswered struct {
	error // the context's
	alive bool
}

func (u *unanswered) Unwrap() error { return u.error }

// halfTime is the middle between now and the end of ctx.
func halfTime(ctx context.Context) time.Time {
	left := openTimeout
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	return time.Now().Add(left / 2)
}

// forbids reports whether err is the server's refusal to open any such connection, whoever listens there.
func forbids(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused) && (refused.Reason == ssh.Prohibited || refused.Reason == ssh.UnknownChannelType)
}

// openNow is the open itself, for as long as it takes.
func (l *Link) openNow(host string, port int, answered, gone func()) opened {
	defer l.naming.begin(host)()
	ch, requests, err := l.conn.OpenChannel("direct-tcpip", ssh.Marshal(&endpoints{host, uint32(port), "127.0.0.1", 0}))
	answered()
	if err == nil {
		return opened{ch: l.newChannel(ch, requests, gone)}
	}
	gone()
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return opened{err: linkLost(l.config.mask.error(err))}
	}
	refused.Message = l.config.mask.over(refused.Message)
	return opened{err: refused}
}
