package sshtunnel

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// channel is an SSH channel that carries a TCP connection. A read or write of it that waits is ended only by the
// server, which may never answer: OpenSSH does not while its target leaves unread what it was sent. So Close ends the
// channel without waiting, wasClosed tells whoever waits to leave, and only hasGone says that nothing of it is left.
type channel struct {
	ssh.Channel
	link   *Link
	once   sync.Once
	closed chan struct{} // closed by Close
	gone   chan struct{} // closed when the server has closed too, or the link is gone
	cut    bool          // by the latter; set before

	release func() // gives the channel's place back, once
}

// maxOverdue bounds the channels of one link that keep memory but no place in their mapping.
const maxOverdue = 1024

// newChannel serves the channel's requests, which TCP connections have none of, until it has gone. Then it calls release,
// or a while after Close if the server does not answer that: targets that never read must not take all places for good.
func (l *Link) newChannel(ch ssh.Channel, requests <-chan *ssh.Request, release func()) *channel {
	c := &channel{
		Channel: ch, link: l, closed: make(chan struct{}), gone: make(chan struct{}), release: sync.OnceFunc(release),
	}
	serve := func() {
		ssh.DiscardRequests(requests)
		c.cut = l.sock.ended.Load()
		c.release()
		close(c.gone)
	}
	if !l.spawn(serve) {
		go serve() // ends with the connection, which waits for it: requests must be taken
	}
	return c
}

// errCut ends the reading from a channel whose link was lost, or given up, before the server had ended it.
var errCut = fmt.Errorf("the SSH link ended in the middle of the connection: %w", syscall.ECONNRESET)

// Read is the channel's, but what ends with the link, and not by the server's word, is an error: x/crypto/ssh calls both an
// end.
func (c *channel) Read(p []byte) (int, error) {
	n, err := c.Channel.Read(p)
	if errors.Is(err, io.EOF) && c.wasCut() {
		err = errCut
	}
	return n, err
}

// wasCut reports whether the channel has ended, or is about to, because its link has.
func (c *channel) wasCut() bool {
	return c.link.sock.ended.Load() && (!isClosed(c.gone) || c.cut)
}

// Close tells the server that the channel is over. It never waits, and can be called again.
func (c *channel) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.link.spawn(func() {
			_ = c.Channel.Close() // waits while the server reads nothing
			c.awaitEnd()
		})
	})
	return nil
}

// awaitEnd waits for the server's answer to the end of the channel, and gives its place back when that takes too long.
func (c *channel) awaitEnd() {
	late := time.NewTimer(c.halfDead())
	defer late.Stop()
	select {
	case <-c.gone:
	case <-late.C:
		if c.link.overdue.Add(1) <= maxOverdue {
			c.release()
		}
		<-c.gone
		c.link.overdue.Add(-1)
	}
}

// spawn runs f, which uses the channel, as a goroutine of its link.
func (c *channel) spawn(f func()) bool { return c.link.spawn(f) }

// halfDead is how long half a connection may stay silent.
func (c *channel) halfDead() time.Duration { return c.link.config.waits.halfDead }

// wasClosed returns the channel that is closed by Close: nobody should wait for reads and writes any more.
func (c *channel) wasClosed() <-chan struct{} { return c.closed }

// hasGone returns the channel that is closed when nothing can be sent any more.
func (c *channel) hasGone() <-chan struct{} { return c.gone }
