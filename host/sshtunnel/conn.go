package sshtunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Open opens a connection to the target of a reach mapping, whose deadlines and half-close work. It counts for the
// mapping of m's name, as one of caller, and ends with it. Errors are those of Target, or ServerBusy when too many are
// open.
func (l *Link) Open(ctx context.Context, m tunnel.Mapping, caller string) (Conn, error) {
	n, err := l.mapping(m.Name)
	if err != nil {
		return nil, err
	}
	release, full := n.admit(0)
	if full != nil {
		return nil, tooMany(full)
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.waits.open)
	defer cancel()
	ch, err := n.openForClient(ctx, release)
	if err != nil {
		return nil, l.refusedTarget(err, n.targetHost(), n.Remote.Port)
	}
	return newChannelConn(n, ch, caller), nil
}

// channelConn is an SSH channel as a net.Conn. x/crypto/ssh has no deadlines and its reads and writes cannot be
// interrupted, so each runs in a goroutine when it is not done at once, and the caller waits for it or for the time.
type channelConn struct {
	channel *channel
	traffic *traffic
	over    context.Context // ended by close, and with the mapping
	close   context.CancelFunc

	read, write *timer
	reading     sync.Mutex // guards pending, one reader at a time
	pending     chan chunk // a read under way that an earlier Read gave up waiting for
	rest        []byte     // read and not taken yet
	writing     sync.Mutex // one writer at a time
	broken      error      // a write that was given up half done: no more can follow
}

func newChannelConn(m *mapping, ch *channel, caller string) *channelConn {
	c := &channelConn{channel: ch, traffic: m.traffic, read: newTimer(), write: newTimer()}
	c.over, c.close = context.WithCancel(m.ctx)
	v := m.traffic.visit(caller)
	v.begin()
	v.arrive()
	context.AfterFunc(c.over, func() {
		v.end()
		_ = ch.Close()
	})
	return c
}

// chunk is what one read of the channel brought.
type chunk struct {
	b   []byte
	err error
}

const chunkSize = 32 << 10

// Read waits for data, the end of it, the read deadline or Close.
func (c *channelConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(c.rest) > 0 {
		return c.take(p), nil
	}
	if c.read.expired() {
		return 0, os.ErrDeadlineExceeded
	}
	if c.pending == nil {
		to := make(chan chunk, 1)
		if !c.channel.spawn(func() { to <- c.readSome() }) {
			return 0, net.ErrClosed
		}
		c.pending = to
	}
	select {
	case k := <-c.pending:
		c.pending = nil
		c.rest = k.b
		c.traffic.in(len(k.b))
		if len(k.b) == 0 {
			return 0, k.err
		}
		return c.take(p), nil
	case <-c.over.Done():
		return 0, net.ErrClosed
	case <-c.read.wait():
		return 0, os.ErrDeadlineExceeded
	}
}

// readSome waits for data, which ends at the latest with the link.
func (c *channelConn) readSome() chunk {
	b := make([]byte, chunkSize)
	n, err := c.channel.Read(b)
	return chunk{b[:n], err}
}

// take hands out what was read.
func (c *channelConn) take(p []byte) int {
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n
}

// Write waits until all of p was taken over for sending, the write deadline or Close. A write that was given up leaves
// the connection unfit for more.
func (c *channelConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	done := 0
	for done < len(p) {
		n, err := c.writeSome(p[done:min(len(p), done+chunkSize)])
		done += n
		if err != nil {
			if done > 0 && c.broken == nil {
				c.broken = err
			}
			return done, err
		}
	}
	return done, nil
}

func (c *channelConn) writeSome(p []byte) (int, error) {
	switch {
	case c.broken != nil:
		return 0, c.broken
	case c.write.expired():
		return 0, os.ErrDeadlineExceeded
	}
	copied := append([]byte(nil), p...)
	done := make(chan chunk, 1)
	started := c.channel.spawn(func() { // ends at the latest with the link
		n, err := c.channel.Write(copied)
		done <- chunk{copied[:n], err}
	})
	if !started {
		return 0, net.ErrClosed
	}
	select {
	case k := <-done:
		c.traffic.out(len(k.b))
		return len(k.b), k.err
	case <-c.over.Done():
		c.broken = net.ErrClosed
	case <-c.write.wait():
		c.broken = os.ErrDeadlineExceeded
	}
	return 0, c.broken
}

// CloseWrite tells the target that no more comes; what it has still to say can be read.
func (c *channelConn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.broken != nil {
		return c.broken
	}
	err := c.channel.CloseWrite()
	if errors.Is(err, io.EOF) { // closed already
		return net.ErrClosed
	}
	return err
}

// Close ends the connection and whatever waits for it.
func (c *channelConn) Close() error {
	c.close()
	return nil
}

// SetDeadline sets both deadlines.
func (c *channelConn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline bounds reads, one under way included.
func (c *channelConn) SetReadDeadline(t time.Time) error { c.read.set(t); return nil }

// SetWriteDeadline bounds writes, one under way included.
func (c *channelConn) SetWriteDeadline(t time.Time) error { c.write.set(t); return nil }

// LocalAddr has no port: the connection runs inside another.
func (c *channelConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// RemoteAddr has no port: the connection runs inside another.
func (c *channelConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }
