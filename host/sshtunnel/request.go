package sshtunnel

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// answer is what the server said to a global request.
type answer struct {
	yes bool
	err error
}

// ask sends a global request and returns where its answer will come. x/crypto/ssh waits for it without a limit and
// sends requests one after the other, so the wait has a goroutine of its own, and a request without an answer for the
// length of patience ends the link, which frees them all.
func (l *Link) ask(name string, payload []byte) <-chan answer {
	reply := make(chan answer, 1)
	started := l.spawn(func() {
		watchdog := time.AfterFunc(patience, func() { l.lose(serverBusy("for the last minute")) })
		defer watchdog.Stop()
		yes, _, err := l.conn.SendRequest(name, true, payload)
		if err != nil {
			err = linkLost(err)
		}
		reply <- answer{yes, err}
	})
	if !started {
		reply <- answer{err: l.gone()}
	}
	return reply
}

// keepalive shares one request among all who ask: never are two in flight.
type keepalive struct {
	mu      sync.Mutex
	pending *sign // nil when none is in flight
}

// sign is the server's sign of life: any answer is one, "no" included.
type sign struct {
	done chan struct{} // closed when it has come, or cannot come any more
	err  error         // why it cannot
}

// Keepalive asks the server for a sign of life. ServerBusy means that it has not answered by the end of ctx, at most
// 8 s: the link stands as long as the server's answer comes within a minute. A later call waits for the same answer.
func (l *Link) Keepalive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepaliveTimeout)
	defer cancel()
	pending := l.alive.ask(l)
	select {
	case <-pending.done:
		return pending.err
	case <-l.ctx.Done():
		return l.gone()
	case <-ctx.Done():
		return serverBusy("for a sign of life")
	}
}

// ask returns the request in flight, sending one if there is none.
func (k *keepalive) ask(l *Link) *sign {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending != nil {
		return k.pending
	}
	s := &sign{done: make(chan struct{})}
	reply := l.ask("keepalive@openssh.com", nil)
	started := l.spawn(func() {
		s.err = (<-reply).err
		k.mu.Lock()
		k.pending = nil
		k.mu.Unlock()
		close(s.done)
	})
	if !started {
		s.err = l.gone()
		close(s.done)
		return s
	}
	k.pending = s
	return s
}

// opened is the server's answer to a channel.
type opened struct {
	ch  *channel
	err error
}

// maxOpens bounds the channels of one link that the server has neither opened nor refused yet.
const maxOpens = 1024

// open asks the server to connect to host and port. The error is an *ssh.OpenChannelError when the server refused, a
// *Failure when the link is gone or too much is unanswered, else the context's. The call of x/crypto/ssh cannot be
// cancelled, so it has a goroutine of its own; a channel that comes too late is closed.
func (l *Link) open(ctx context.Context, host string, port int) (*channel, error) {
	if l.opening.Add(1) > maxOpens {
		l.opening.Add(-1)
		return nil, serverBusy("to open connections: too many wait for its answer")
	}
	wanted, unwanted := context.WithCancel(ctx)
	defer unwanted()
	reply := make(chan opened)
	started := l.spawn(func() {
		defer l.opening.Add(-1)
		o := l.openNow(host, port)
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

// openNow is the open itself, for as long as it takes.
func (l *Link) openNow(host string, port int) opened {
	ch, requests, err := l.conn.OpenChannel("direct-tcpip", ssh.Marshal(&endpoints{host, uint32(port), "127.0.0.1", 0}))
	if err == nil {
		return opened{ch: newChannel(ch, requests)}
	}
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return opened{err: linkLost(err)}
	}
	return opened{err: refused}
}

// endpoints is the payload of a direct-tcpip and of a forwarded-tcpip channel (RFC 4254, 7.2).
type endpoints struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}
