package directory

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Person is what a directory says of one. Texts are one line each and bounded, and no more than that: whoever writes one
// anywhere makes it fit for there. Login, Principal and Mail, by which somebody is known, are bounded alone: with what cannot
// be seen taken out of them they would be somebody else's.
type Person struct {
	ID string // for ever: it outlives every rename and move
	DN string // now

	Login, Principal              string
	Given, Surname, Display, Mail string
	Extension                     string
	Department, Company, Title    string
	Phones, Faxes                 []Number
	Disabled, Expired             bool
}

// Number is what stands in an attribute for numbers.
type Number struct {
	Attribute string
	Text      string
}

// Off reports whether the account cannot be used.
func (p Person) Off() bool { return p.Disabled || p.Expired }

// person reads an entry.
func (f Fields) person(e *ldap.Entry, now time.Time) Person {
	p := Person{
		ID: identity(e, f.ID), DN: e.DN, Login: name(first(e, f.Login)), Principal: name(first(e, f.Principal)), Mail: name(first(e, f.Mail)),
	}
	for _, v := range []struct {
		to   *string
		name string
	}{
		{&p.Given, f.Given}, {&p.Surname, f.Surname}, {&p.Display, f.Display}, {&p.Extension, f.Extension}, {&p.Department, f.Department}, {&p.Company, f.Company}, {&p.Title, f.Title},
	} {
		*v.to = clean(first(e, v.name))
	}
	p.Phones, p.Faxes = numbers(e, f.Phones), numbers(e, f.Faxes)
	control, _ := strconv.ParseInt(first(e, "userAccountControl"), 10, 64)
	p.Disabled = control&accountDisabled != 0 || first(e, "pwdAccountLockedTime") == lockedForEver
	p.Expired = expired(first(e, "accountExpires"), now)
	return p
}

const (
	accountDisabled = 0x2             // of userAccountControl
	lockedForEver   = "000001010000Z" // how the password policy of OpenLDAP disables an account
)

// numbers are the values of attributes in their order, each text once.
func numbers(e *ldap.Entry, attributes []string) (all []Number) {
	seen := map[string]bool{}
	for _, a := range attributes {
		for i, v := range e.GetEqualFoldAttributeValues(a) {
			if v = clean(v); i < maxValues && v != "" && !seen[v] {
				seen[v] = true
				all = append(all, Number{a, v})
			}
		}
	}
	return all
}

// expired reads accountExpires: ticks of 100 ns since 1601; 0 and the largest number mean never.
func expired(text string, now time.Time) bool {
	ticks, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ticks <= 0 || ticks == 1<<63-1 {
		return false
	}
	const from1601to1970 = 11_644_473_600
	return time.Unix(ticks/1e7-from1601to1970, ticks%1e7*100).Before(now)
}

// class is the filter for persons alone: no computers, no groups, no contacts.
func (k Kind) class() string {
	if k == OpenLDAP {
		return "(|(objectClass=inetOrgPerson)(objectClass=posixAccount))"
	}
	return "(&(objectCategory=person)(objectClass=user))"
}

// enabled is the filter for accounts that are not disabled, where the directory can tell: one without the attribute would
// find nobody.
func (k Kind) enabled() string {
	if k == OpenLDAP {
		return ""
	}
	return "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
}

// below calls f for every person that the filters let through, below each of the places for persons.
func (c *Conn) below(ctx context.Context, attributes []string, filters []string, f func(*ldap.Entry) error) error {
	s := search{direct: c.config.Direct, attributes: attributes, limit: MaxPeople}
	s.filter = "(&" + c.config.Kind.class() + strings.Join(filters, "") + ")"
	for _, s.base = range c.places() {
		if err := c.each(ctx, s, f); err != nil {
			return err
		}
	}
	return nil
}

// places are below what persons are searched.
func (c *Conn) places() []string {
	if len(c.config.People) > 0 {
		return c.config.People
	}
	return []string{c.Base()}
}

// some reports whether the filters let anybody through. The server is asked for one entry.
func (c *Conn) some(ctx context.Context, filters []string) (bool, error) {
	q := &ldap.SearchRequest{
		Scope: ldap.ScopeWholeSubtree, SizeLimit: 1, TimeLimit: int(answerLimit.Seconds()), Attributes: []string{"1.1"},
		Filter: "(&" + c.config.Kind.class() + strings.Join(filters, "") + ")",
	}
	if c.config.Direct {
		q.Scope = ldap.ScopeSingleLevel
	}
	for _, q.BaseDN = range c.places() {
		found, err := c.ldap.Search(q)
		switch {
		case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(found.Entries) > 0:
			return true, nil
		case err != nil:
			return false, searchError(ctx, err, q.BaseDN)
		}
	}
	return false, nil
}
