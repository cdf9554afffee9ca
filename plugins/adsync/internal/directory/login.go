package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Choose picks whom a login means, of all who have it; there is one at least. Its error is that of Verify. Where it comes
// with a person, that one is meant and may not log in: what the directory has against the account is said first.
type Choose func(context.Context, []Person) (Person, error)

// Only takes the one who has a login, and nobody where several have it.
func Only(_ context.Context, people []Person) (Person, error) {
	if len(people) == 1 {
		return people[0], nil
	}
	return Person{}, &Error{Twice, fmt.Sprintf("%d people of the directory have one login", len(people)), "give it to one of them", nil}
}

// Verify finds out whether that is the password of the user who logs in as login, and who that is. A person who does not
// count by s is NotAMember, one who cannot log in Disabled or Expired, and whoever is unknown Wrong; choose says whom the
// login means. An empty password is refused before anything is sent, and only who may log in is asked for it.
//
// The password goes to one server alone, over a connection of its own, and is kept nowhere.
func Verify(ctx context.Context, c Config, servers []Server, s Selection, choose Choose, login, password string) (p Person, err error) {
	if password == "" {
		return p, &Error{EmptyWord, "the password is empty", "give one", nil}
	}
	p, server, err := find(ctx, c, servers, s, choose, login)
	if err != nil {
		return p, err
	}
	conn, err := connect(ctx, c, []Server{server}, nil)
	if err != nil {
		return p, err
	}
	defer conn.Close()
	return p, conn.bind(ctx, p.DN, password)
}

// find finds the person who logs in so, by the user of the configuration, and which server knows.
func find(ctx context.Context, c Config, servers []Server, s Selection, choose Choose, login string) (p Person, at Server, err error) {
	conn, err := Open(ctx, c, servers, nil)
	if err != nil {
		return p, at, notTheirs(err)
	}
	defer conn.Close()
	at = servers[slices.IndexFunc(servers, func(s Server) bool { return s.Name == conn.Server })]
	people, err := conn.named(ctx, login)
	if err != nil {
		return p, at, err
	}
	p, no := choose(ctx, people)
	switch {
	case no != nil && p.DN == "":
		return p, at, no
	case p.Disabled && !s.Disabled:
		return p, at, &Error{Disabled, "the account is disabled", "the directory's administrator can enable it", nil}
	case p.Expired && !s.Disabled:
		return p, at, &Error{Expired, "the account has expired", "the directory's administrator can extend it", nil}
	}
	counts, err := conn.isMember(ctx, s, p)
	switch {
	case err != nil:
		return p, at, err
	case !counts:
		return p, at, fail(NotAMember, nil, "see who.groups: "+show, "%s is not in a group whose members may log in", tunnel.Clean(p.DN, 150))
	}
	return p, at, no
}

// notTheirs keeps what is wrong with the module's own user apart from what is wrong with the one who logs in.
func notTheirs(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code == Unreachable {
		return err
	}
	return &Error{Refused, "the user to read with, or its server: " + e.Message, e.Remedy, err}
}

// maxNamed bounds how many may have one login: of more, nobody is meant.
const maxNamed = 100

// named are the people with that login, one at least. Where nobody has it, what makes one doubt the kind of the directory is
// beneath the error, for who runs it: to who asks it is a wrong password.
func (c *Conn) named(ctx context.Context, login string) (people []Person, err error) {
	f := c.fields()
	is := "(" + f.Login + "=" + ldap.EscapeFilter(login) + ")"
	if f.Principal != "" {
		is = "(|" + is + "(" + f.Principal + "=" + ldap.EscapeFilter(login) + "))"
	}
	err = c.below(ctx, f.names(), []string{is}, func(e *ldap.Entry) error {
		p := f.person(e, time.Now())
		if slices.ContainsFunc(people, func(o Person) bool { return o.DN == p.DN }) {
			return nil // directory.people names places within one another
		}
		if people = append(people, p); len(people) > maxNamed {
			return &Error{Twice, fmt.Sprintf("more than %d people of the directory have one login", maxNamed), "give it to one of them", nil}
		}
		return nil
	})
	if err == nil && len(people) == 0 {
		wrong := &Error{Wrong, "user or password wrong", "check both", nil}
		if doubt := c.Doubt(); doubt != nil {
			wrong.Err = doubt
		}
		err = wrong
	}
	return people, err
}

// isMember reports whether a person counts, without reading everybody.
func (c *Conn) isMember(ctx context.Context, s Selection, p Person) (bool, error) {
	groups := slices.Clone(s.Groups)
	if len(groups) == 0 && s.Filter == "" {
		return true, nil
	}
	if s.Admins != "" && len(groups) > 0 {
		groups = append(groups, s.Admins)
	}
	if c.config.Kind == ActiveDirectory {
		return c.isMemberByRule(ctx, s, groups, p)
	}
	if ok, err := c.passes(ctx, p.DN, s.Filter); err != nil || !ok || len(groups) == 0 {
		return ok, err
	}
	return c.isMemberByClimbing(ctx, groups, s.Nested, p)
}

func (c *Conn) isMemberByRule(ctx context.Context, s Selection, groups []string, p Person) (bool, error) {
	any := ""
	for _, dn := range groups {
		m, err := c.group(ctx, dn, s.Nested)
		if err != nil {
			return false, err
		}
		any += m.filter
	}
	filter := s.Filter
	if any != "" {
		filter = "(&" + filter + "(|" + any + "))"
	}
	return c.passes(ctx, p.DN, filter)
}

// passes reports whether the entry passes a filter; all pass none.
func (c *Conn) passes(ctx context.Context, dn, filter string) (bool, error) {
	if filter == "" {
		return true, nil
	}
	_, err := c.read(ctx, dn, filter, "1.1")
	if CodeOf(err) == Missing {
		return false, nil
	}
	return err == nil, err
}

// isMemberByClimbing goes from the person to the groups that hold it, and where nested to those that hold them.
func (c *Conn) isMemberByClimbing(ctx context.Context, groups []string, nested bool, p Person) (bool, error) {
	wanted := map[string]bool{}
	for _, dn := range groups {
		wanted[foldDN(dn)] = true
	}
	found, seen := false, map[string]bool{}
	for todo := []string{p.DN}; len(todo) > 0 && !found; todo = todo[1:] {
		holds := "(member=" + ldap.EscapeFilter(todo[0]) + ")(uniqueMember=" + ldap.EscapeFilter(todo[0]) + ")"
		if todo[0] == p.DN {
			holds += "(memberUid=" + ldap.EscapeFilter(p.Login) + ")"
		}
		s := search{base: c.Base(), filter: "(&" + anyGroup + "(|" + holds + "))", attributes: []string{"1.1"}, limit: maxGroups}
		err := c.each(ctx, s, func(e *ldap.Entry) error {
			dn := foldDN(e.DN)
			found = found || wanted[dn]
			if nested && !seen[dn] && len(seen) < maxGroups {
				seen[dn] = true
				todo = append(todo, e.DN)
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return found, nil
}
