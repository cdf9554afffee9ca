package sdktest

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection in memory that behaves like a socket's: buffered, with deadlines and half-close.
type conn struct {
	name    addr
	in, out *half
	once    sync.Once
	closed  func() // told once, may be nil
}

var _ net.Conn = (*conn)(nil)

// newConns makes both ends; name is what either calls itself.
func newConns(name string) (a, b *conn) {
	there, back := newHalf(), newHalf()
	return &conn{name: addr(name), in: back, out: there}, &conn{name: addr(name), in: there, out: back}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// CloseWrite tells the other end that nothing more comes, while its answer can still be read.
func (c *conn) CloseWrite() error {
	c.out.finish()
	return nil
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.finish()
		c.in.abandon()
		if c.closed != nil {
			c.closed()
		}
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.name }
func (c *conn) RemoteAddr() net.Addr { return c.name }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.readUntil(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.writeUntil(t)
	return nil
}

// reset ends both directions at both ends, as a lost link does.
func (c *conn) reset() {
	c.in.fail(syscall.ECONNRESET)
	c.out.fail(syscall.ECONNRESET)
}

// impair freezes both directions or lets them go, and sets how long each write takes.
func (c *conn) impair(frozen bool, delay time.Duration) {
	c.in.impair(frozen, delay)
	c.out.impair(frozen, delay)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: c.name.Network(), Addr: c.name, Err: err}
}

// addr is the address of either end: the mapping.
type addr string

func (addr) Network() string  { return "sdktest" }
func (a addr) String() string { return string(a) }
