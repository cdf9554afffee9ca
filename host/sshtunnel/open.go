package sshtunnel

import (
	"context"
	"errors"

	"golang.org/x/crypto/ssh"
)

// endpoints is the payload of a direct-tcpip and of a forwarded-tcpip channel (RFC 4254, 7.2).
type endpoints struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// maxOpens bounds the channels of one link that the server has neither opened nor refused yet.
const maxOpens = 1024

// opened is the server's answer to a channel.
type opened struct {
	ch  *channel
	err error
}

// open asks the server to connect to host and port. The error is an *ssh.OpenChannelError when the server refused, a
// *Failure when the link is gone or too much is unanswered, else the context's. The call of x/crypto/ssh cannot be
// cancelled, so it has a goroutine of its own; a channel that comes too late is closed.
//
// release is called once nothing of it is left at the server: when that has refused, or when the channel has gone.
func (l *Link) open(ctx context.Context, host string, port int, release func()) (*channel, error) {
	if l.opening.Add(1) > maxOpens {
		l.opening.Add(-1)
		release()
		return nil, busy("too many connections wait for the SSH server to open them")
	}
	wanted, unwanted := context.WithCancel(ctx)
	defer unwanted()
	reply := make(chan opened)
	started := l.spawn(func() {
		defer l.opening.Add(-1)
		o := l.openNow(host, port, release)
		select {
		case reply <- o:
		case <-wanted.Done():
			if o.err == nil {
				_ = o.ch.Close()
			}
		}
	})
	if !started {
		l.opening.Add(-1)
		release()
		return nil, l.gone()
	}
	select {
	case o := <-reply:
		return o.ch, o.err
	case <-l.ctx.Done():
		return nil, l.gone()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forbids reports whether err is the server's refusal to open any such connection, whoever listens there.
func forbids(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused) && (refused.Reason == ssh.Prohibited || refused.Reason == ssh.UnknownChannelType)
}

// openNow is the open itself, for as long as it takes.
func (l *Link) openNow(host string, port int, release func()) opened {
	ch, requests, err := l.conn.OpenChannel("direct-tcpip", ssh.Marshal(&endpoints{host, uint32(port), "127.0.0.1", 0}))
	if err == nil {
		return opened{ch: l.newChannel(ch, requests, release)}
	}
	release()
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return opened{err: linkLost(err)}
	}
	return opened{err: refused}
}
