package sshtunnel

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// WithWaits returns c with other times for the login and for a request to stay unanswered.
func (c Config) WithWaits(login, patience time.Duration) Config {
	c.waits.login, c.waits.patience = login, patience
	return c
}

// WithHandshakeWait returns c with another time for everything before the login.
func (c Config) WithHandshakeWait(handshake time.Duration) Config {
	c.waits.handshake = handshake
	return c
}

// WithOpenWait returns c with another time for a client's channel to be opened.
func (c Config) WithOpenWait(open time.Duration) Config {
	c.waits.open = open
	return c
}

// WithHalfDead returns c with another time for half a connection to stay silent.
func (c Config) WithHalfDead(d time.Duration) Config {
	c.waits.halfDead = d
	return c
}

// Unanswered is how many channels the server has neither opened nor refused.
func (l *Link) Unanswered() int { return int(l.opening.Load()) }

// Prepare sets the options of a link's socket.
func Prepare(c *net.TCPConn) error {
	_, err := newSocket(c)
	return err
}

// Sent is how many packets with data the kernel has sent for the link, repetitions included.
func (l *Link) Sent() int { return int(l.sock.info().Data_segs_out) }

// HurriesData reports whether this kernel can be told to repeat data every second.
func HurriesData() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, 1000) == nil
}

// TCPOption is what the kernel was told of the socket beneath the link.
func (l *Link) TCPOption(option int) (value int) {
	_ = l.sock.raw.Control(func(fd uintptr) { value, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) })
	return value
}

// WithMaxOfLink returns c with another limit of connections of the link.
func (c Config) WithMaxOfLink(n int64) Config {
	c.waits.maxOfLink = n
	return c
}

// LimitsOf makes limits of other than the usual number.
func LimitsOf(n int64) *Limits { return &Limits{places{of: "of all tunnels", most: n}} }
