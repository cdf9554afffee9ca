package sshtunnel

import (
	"net"
	"time"
)

// WithPatience returns c with another time for a request to stay unanswered.
func (c Config) WithPatience(d time.Duration) Config {
	c.patience = d
	return c
}

// CannotListen is the failure of a listener that could not be opened.
func CannotListen(err error, host string, port int) error { return cannotListen(err, host, port) }

// Prepare sets the options of a link's socket.
func Prepare(c *net.TCPConn) error {
	_, err := newSocket(c)
	return err
}
