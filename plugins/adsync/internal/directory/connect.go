package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Conn is a connection to a directory, bound and ready. It is for one goroutine at a time, and ends with the context
// that it was opened with.
type Conn struct {
	Server string // which one answered
	Pin    string // of the certificate it showed, "" without encryption

	config Config
	raw    net.Conn
	ldap   *ldap.Conn
	end    func() bool
	root   Root
}

// Open connects to the first of the servers that answers, encrypts, and binds as the user of the configuration. Servers
// that did not answer are told to skipped, with why. A server that answers and refuses ends it: the next one would refuse
// as well, and a password tried everywhere locks its account.
func Open(ctx context.Context, c Config, servers []Server, skipped func(server string, err error)) (*Conn, error) {
	if c.User == "" {
		return nil, &Error{Wrong, "no user to read with is set", set("directory.user=CN=reader,DC=corp,DC=example"), nil}
	}
	if c.Password == "" {
		return nil, &Error{EmptyWord, "no password is set: a bind without one would be one as nobody", remedyWord, nil}
	}
	conn, err := connect(ctx, c, servers, skipped)
	if err != nil {
		return nil, err
	}
	if err := conn.bind(ctx, c.User, c.Password); err != nil {
		conn.Close()
		return nil, err
	}
	if err := conn.readRoot(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connect opens an encrypted connection on which nobody is bound.
func connect(ctx context.Context, c Config, servers []Server, skipped func(server string, err error)) (*Conn, error) {
	if len(servers) == 0 {
		return nil, &Error{Unreachable, "no slot for a server of the directory is on", set("site.slots.dc1-ldaps.on=true") + ", or dc1-ldap for StartTLS", nil}
	}
	var last error
	for _, s := range servers {
		conn, err := dial(ctx, c, s)
		if err == nil || CodeOf(err) != Unreachable || ctx.Err() != nil {
			return conn, err
		}
		if last = err; skipped != nil {
			skipped(s.Name, err)
		}
	}
	return nil, last
}

// dial opens a connection to one server, within connectLimit.
func dial(ctx context.Context, c Config, s Server) (*Conn, error) {
	limited, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	raw, err := s.Dial(limited)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fail(Unreachable, err, why(s.Name), "%s does not answer", s.Name)
	}
	conn := &Conn{Server: s.Name, config: c, raw: raw}
	conn.end = context.AfterFunc(ctx, func() { _ = raw.Close() })
	if err := conn.encrypt(limited); err != nil {
		conn.end()
		_ = raw.Close()
		return nil, err
	}
	conn.ldap.SetTimeout(answerLimit)
	return conn, nil
}

// encrypt does the handshake; the library sets no deadline for it, so the connection has one until that is done.
func (c *Conn) encrypt(ctx context.Context) error {
	trust, err := c.config.Trust.config(c.Server, &c.Pin)
	if err != nil {
		return err
	}
	at, _ := ctx.Deadline()
	if err := c.raw.SetDeadline(at); err != nil {
		return fail(Unreachable, err, why(c.Server), "%s does not answer", c.Server)
	}
	switch c.config.Security {
	case None:
		c.ldap = ldap.NewConn(c.raw, false)
		c.ldap.Start()
	case StartTLS:
		err = c.startTLS(trust)
	default:
		secure := tls.Client(c.raw, trust)
		if err = secure.HandshakeContext(ctx); err == nil {
			c.ldap = ldap.NewConn(secure, true)
			c.ldap.Start()
		}
	}
	if err != nil {
		return c.handshakeError(err)
	}
	return c.raw.SetDeadline(time.Time{})
}

// startTLS asks for encryption before anything else is said. The library flattens the error of the handshake into text:
// what VerifyConnection found is kept aside.
func (c *Conn) startTLS(trust *tls.Config) error {
	var refused error
	verify := trust.VerifyConnection
	trust.VerifyConnection = func(s tls.ConnectionState) error {
		refused = verify(s)
		return refused
	}
	l := ldap.NewConn(c.raw, false)
	l.Start()
	if err := l.StartTLS(trust); err != nil {
		_ = l.Close()
		if refused != nil {
			return refused
		}
		return err
	}
	c.ldap = l
	return nil
}

// handshakeError tells a server that is silent, so that the next is tried, from one that shows the wrong thing.
func (c *Conn) handshakeError(err error) error {
	var timeout net.Error
	var answer *ldap.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fail(Unreachable, nil, "see whether a directory answers where the slot leads: "+why(c.Server), "%s accepts connections and says nothing", c.Server)
	case errors.As(err, &answer) && answer.ResultCode < ldap.ErrorNetwork:
		return fail(TLS, err, set("directory.security=ldaps")+", or give the server a certificate", "%s offers no StartTLS", c.Server)
	case c.Pin == "" && isEnd(err):
		return fail(Unreachable, err, "see whether a directory answers where the slot leads, and speaks TLS: "+why(c.Server), "%s closes the connection", c.Server)
	}
	return tlsError(err, c.config.Trust)
}

// Close ends the connection.
func (c *Conn) Close() {
	c.end()
	_ = c.ldap.Close() // says goodbye
	_ = c.raw.Close()
}

// bind says who asks. An empty password is refused here: servers take it for a bind as nobody, which always holds.
func (c *Conn) bind(ctx context.Context, user, password string) error {
	if password == "" {
		return &Error{EmptyWord, "the password is empty", "give one", nil}
	}
	if err := c.ldap.Bind(user, password); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return bindError(err)
	}
	return nil
}
