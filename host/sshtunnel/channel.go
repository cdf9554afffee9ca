package sshtunnel

import "golang.org/x/crypto/ssh"

// channel is an SSH channel that carries a TCP connection.
type channel struct {
	ssh.Channel
	gone chan struct{} // closed when the peer has closed both directions, or the link is gone
}

// newChannel serves the channel's requests, which TCP connections have none of, until it is closed.
func newChannel(ch ssh.Channel, requests <-chan *ssh.Request) *channel {
	c := &channel{Channel: ch, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		ssh.DiscardRequests(requests)
	}()
	return c
}

// hasGone returns the channel that is closed when nothing can be sent any more.
func (c *channel) hasGone() <-chan struct{} { return c.gone }
