package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk"
)

type directory struct {
	Host     string     `json:"host" title:"Name in its certificate"`
	User     string     `json:"user" title:"Whom to bind as"`
	Password sdk.Secret `json:"password" title:"Password"`
	Base     string     `json:"base" title:"Where to search"`
}

// startTLS begins in the clear, and encrypts before it says who it is. The library sets no deadline for the handshake: the
// connection has one until that is done.
func (d directory) startTLS(ctx context.Context, dial connect, trust *tls.Config) (string, error) {
	c, err := dial(ctx, "", "")
	if err != nil {
		return "", err
	}
	if err := c.SetDeadline(limit(ctx)); err != nil {
		return "", errors.Join(err, c.Close())
	}
	l := ldap.NewConn(c, false)
	l.Start()
	defer l.Close()
	if err := l.StartTLS(named(trust, d.Host)); err != nil {
		return "", err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return "", err
	}
	return d.count(ctx, l)
}

// tls encrypts from the start.
func (d directory) tls(ctx context.Context, dial connect, trust *tls.Config) (string, error) {
	c, err := dial(ctx, "", "")
	if err != nil {
		return "", err
	}
	secure := tls.Client(c, named(trust, d.Host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return "", errors.Join(err, c.Close())
	}
	l := ldap.NewConn(secure, true)
	l.Start()
	defer l.Close()
	return d.count(ctx, l)
}

// count searches page by page, for directories give a thousand entries at a time at most.
func (d directory) count(ctx context.Context, l *ldap.Conn) (string, error) {
	l.SetTimeout(time.Until(limit(ctx))) // of each answer
	if d.Password.Reveal() == "" {
		return "", sdk.Failure("no password is set: a bind without one would be one as nobody", "set directory.password")
	}
	if err := l.Bind(d.User, d.Password.Reveal()); err != nil {
		return "", err
	}
	found, err := l.SearchWithPaging(&ldap.SearchRequest{
		BaseDN: d.Base, Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=person)", Attributes: []string{"mail"},
	}, 500)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d people", len(found.Entries)), nil
}

// limit is when ctx ends, or a while from now.
func limit(ctx context.Context) time.Time {
	if at, ok := ctx.Deadline(); ok {
		return at
	}
	return time.Now().Add(sdk.StepLimit)
}
