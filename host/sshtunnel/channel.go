package sshtunnel

import (
	"sync"
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
}

// newChannel serves the channel's requests, which TCP connections have none of, until it has gone; then it calls
// release.
func (l *Link) newChannel(ch ssh.Channel, requests <-chan *ssh.Request, release func()) *channel {
	c := &channel{Channel: ch, link: l, closed: make(chan struct{}), gone: make(chan struct{})}
	serve := func() {
		ssh.DiscardRequests(requests)
		release()
		close(c.gone)
	}
	if !l.spawn(serve) {
		go serve() // ends with the connection, which waits for it: requests must be taken
	}
	return c
}

// Close tells the server that the channel is over. It never waits, and can be called again.
func (c *channel) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.link.spawn(func() { _ = c.Channel.Close() }) // waits while the server reads nothing
	})
	return nil
}

// spawn runs f, which uses the channel, as a goroutine of its link.
func (c *channel) spawn(f func()) bool { return c.link.spawn(f) }

// halfDead is how long half a connection may stay silent.
func (c *channel) halfDead() time.Duration { return c.link.config.waits.halfDead }

// wasClosed returns the channel that is closed by Close: nobody should wait for reads and writes any more.
func (c *channel) wasClosed() <-chan struct{} { return c.closed }

// hasGone returns the channel that is closed when nothing can be sent any more.
func (c *channel) hasGone() <-chan struct{} { return c.gone }
