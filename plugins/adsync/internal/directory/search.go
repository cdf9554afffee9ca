package directory

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// read reads one entry by its DN.
func (c *Conn) read(ctx context.Context, dn, filter string, attributes ...string) (*ldap.Entry, error) {
	found, err := c.ldap.Search(&ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, SizeLimit: 1, TimeLimit: int(answerLimit.Seconds()), EnforceSizeLimit: true,
		Filter: filter, Attributes: attributes,
	})
	switch {
	case err != nil:
		return nil, searchError(ctx, err, dn)
	case len(found.Entries) != 1:
		return nil, fail(Missing, nil, "check how it is written, and that it is still there: "+show, "%s is not in the directory, or may not be seen by its user", tunnel.Clean(dn, 200))
	}
	return found.Entries[0], nil
}

// search is one question to a directory.
type search struct {
	base       string
	direct     bool // below base
	filter     string
	attributes []string
	limit      int // more entries are an error
}

// each calls f for every entry found, page by page. Referrals are passed over: they lead out of the tunnel.
func (c *Conn) each(ctx context.Context, s search, f func(*ldap.Entry) error) error {
	paging, count := ldap.NewControlPaging(PageSize), 0
	for {
		cookie, err := c.page(ctx, s, paging, func(e *ldap.Entry) error {
			if count++; count > s.limit {
				return fail(Cut, nil, "narrow the search by who.groups, who.filter or directory.people: "+show, "the directory has more than %d entries there", s.limit)
			}
			return f(e)
		})
		if err != nil || len(cookie) == 0 {
			return err
		}
		paging.SetCookie(cookie)
	}
}

// page asks for one page and returns the cookie of the next. Only an answer that ends as a page does is a whole one: the
// library ends a search in silence when the connection is closed.
func (c *Conn) page(ctx context.Context, s search, paging *ldap.ControlPaging, f func(*ldap.Entry) error) (cookie []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	scope := ldap.ScopeWholeSubtree
	if s.direct {
		scope = ldap.ScopeSingleLevel
	}
	r := c.ldap.SearchAsync(ctx, &ldap.SearchRequest{
		BaseDN: s.base, Scope: scope, Filter: s.filter, Attributes: s.attributes, Controls: []ldap.Control{paging},
	}, 0)
	whole := false
	for r.Next() {
		if e := r.Entry(); e != nil {
			if err := f(e); err != nil {
				return nil, err
			}
		} else if p, ok := ldap.FindControl(r.Controls(), ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
			cookie, whole = p.Cookie, true
		}
	}
	switch {
	case r.Err() != nil:
		return nil, searchError(ctx, r.Err(), s.base)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !whole:
		return nil, fail(Cut, nil, "it is tried again with the next run", "the connection ended during a search")
	}
	return cookie, nil
}

// isEnd reports whether the other end is gone, as opposed to having said something wrong.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
