package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// members are who is in a group. Active Directory says it by a filter; elsewhere the members are read.
type members struct {
	filter string // Active Directory
	ids    map[string]bool
	dns    map[string]bool // folded
	uids   map[string]bool // of posixGroup
	met    bool            // somebody who counts is among them, where members are read
}

// has reports whether a person is among them.
func (m members) has(p Person) bool {
	return m.ids[p.ID] || m.dns[foldDN(p.DN)] || m.uids[p.Login]
}

// group finds out who is in the group of that DN, through groups in it as well where nested. A group that is not there is
// an error, never an empty one.
func (c *Conn) group(ctx context.Context, dn string, nested bool) (members, error) {
	if c.config.Kind == ActiveDirectory {
		return c.groupByRule(ctx, dn, nested)
	}
	return c.groupByWalking(ctx, dn, nested)
}

// groupOf is group, of one that a setting names: where something is missing, the error says which setting.
func (c *Conn) groupOf(ctx context.Context, setting, dn string, nested bool) (members, error) {
	m, err := c.group(ctx, dn, nested)
	var e *Error
	if errors.As(err, &e) && e.Code == Missing {
		err = &Error{e.Code, tunnel.Clean(setting, 100) + ": " + e.Message, e.Remedy, e.Err}
	}
	return m, err
}

// inChain is the rule by which Active Directory follows groups in groups.
const inChain = ":1.2.840.113556.1.4.1941:"

// groupByRule lets the directory decide. Whose primary group it is has no memberOf for it.
func (c *Conn) groupByRule(ctx context.Context, dn string, nested bool) (members, error) {
	e, err := c.read(ctx, dn, "(objectClass=group)", "objectSid")
	if err != nil {
		return members{}, err
	}
	rule := ""
	if nested {
		rule = inChain
	}
	filter := fmt.Sprintf("(memberOf%s=%s)", rule, ldap.EscapeFilter(dn))
	if n, ok := rid(e.GetEqualFoldRawAttributeValue("objectSid")); ok {
		filter = fmt.Sprintf("(|%s(primaryGroupID=%d))", filter, n)
	}
	return members{filter: filter}, nil
}

// fill asks for the identities of the members, where the directory has given a filter alone.
func (c *Conn) fill(ctx context.Context, m *members) error {
	if m.filter == "" {
		return nil
	}
	m.ids = map[string]bool{}
	id := c.fields().ID
	return c.below(ctx, []string{id}, []string{m.filter}, func(e *ldap.Entry) error {
		m.ids[identity(e, id)] = true
		return nil
	})
}

const anyGroup = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)(objectClass=posixGroup)(objectClass=group))"

// memberAttributes hold DNs, the last one logins.
var memberAttributes = []string{"member", "uniqueMember", "memberUid"}

// groupByWalking reads the group, and where nested the groups in it, each once however they hold each other.
func (c *Conn) groupByWalking(ctx context.Context, dn string, nested bool) (members, error) {
	m := members{dns: map[string]bool{}, uids: map[string]bool{}}
	groups := map[string]string{}
	if nested {
		var err error
		if groups, err = c.groups(ctx); err != nil {
			return m, err
		}
	}
	seen := map[string]bool{foldDN(dn): true}
	for todo := []string{dn}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		err := c.memberValues(ctx, at, func(attribute, value string) error {
			if attribute == "memberUid" {
				m.uids[value] = true
				return nil
			}
			folded := foldDN(value)
			if inner, isGroup := groups[folded]; isGroup && !seen[folded] {
				seen[folded] = true
				todo = append(todo, inner)
			}
			m.dns[folded] = true
			if len(m.dns)+len(m.uids) > maxMembers {
				return fail(Cut, nil, "name smaller groups: "+show, "the group %s has more than %d members", tunnel.Clean(dn, 200), maxMembers)
			}
			return nil
		})
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// groups are the DNs of all groups, by their folded DNs.
func (c *Conn) groups(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	err := c.each(ctx, search{base: c.Base(), filter: anyGroup, attributes: []string{"1.1"}, limit: maxGroups}, func(e *ldap.Entry) error {
		all[foldDN(e.DN)] = e.DN
		return nil
	})
	return all, err
}

// memberValues calls f for every member of one group.
func (c *Conn) memberValues(ctx context.Context, dn string, f func(attribute, value string) error) error {
	e, err := c.read(ctx, dn, anyGroup, memberAttributes...)
	if err != nil {
		return err
	}
	for _, a := range memberAttributes {
		values, err := allValues(e, a, func(attribute string) (*ldap.Entry, error) { return c.read(ctx, dn, anyGroup, attribute) })
		if err != nil {
			return err
		}
		for _, v := range values {
			if err := f(a, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// allValues are the values of an attribute of e, of which some servers give a range at a time: member;range=0-1499, until
// the end of a range is *. ask reads the entry again, with that attribute.
func allValues(e *ldap.Entry, attribute string, ask func(attribute string) (*ldap.Entry, error)) ([]string, error) {
	values, next, ranged := rangeOf(e, attribute, 0)
	if !ranged {
		return e.GetEqualFoldAttributeValues(attribute), nil
	}
	for next > 0 {
		if len(values) > maxMembers {
			return nil, fail(Cut, nil, "name smaller groups: "+show, "the group %s has more than %d members", tunnel.Clean(e.DN, 200), maxMembers)
		}
		more, err := ask(fmt.Sprintf("%s;range=%d-*", attribute, next))
		if err != nil {
			return nil, err
		}
		part, after, ok := rangeOf(more, attribute, next)
		if !ok || after > 0 && after <= next {
			return nil, fail(Cut, nil, "it is tried again with the next run", "the directory gave a part of the members of %s alone", tunnel.Clean(e.DN, 200))
		}
		values, next = slices.Concat(values, part), after
	}
	return values, nil
}

// rangeOf finds the range of an attribute that begins at from. next is where the one after it begins, 0 where it was the last.
func rangeOf(e *ldap.Entry, attribute string, from int) (values []string, next int, ok bool) {
	for _, a := range e.Attributes {
		name, span, found := strings.Cut(strings.ToLower(a.Name), ";range=")
		low, high, _ := strings.Cut(span, "-")
		if !found || name != strings.ToLower(attribute) || low != strconv.Itoa(from) {
			continue
		}
		if high == "*" {
			return a.Values, 0, true
		}
		if end, err := strconv.Atoi(high); err == nil && end >= from && end < 1<<31-1 {
			return a.Values, end + 1, true
		}
	}
	return nil, 0, false
}
