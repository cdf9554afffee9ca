package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Selection says which persons of a directory count.
type Selection struct {
	Groups   []string          // DNs; members of one of them. None: every person
	Admins   string            // DN; its members count too, and are admins. Empty: nobody is
	Nested   bool              // members of groups in groups are members
	Filter   string            // one more that persons must pass
	Disabled bool              // accounts that are disabled or have expired count
	Mapped   map[string]string // groups of which the membership is told, by a name of the caller's
}

// Member is a person who counts.
type Member struct {
	Person
	Admin  bool
	Groups []string // names of Selection.Mapped, sorted
}

// Reading is what was read at once.
type Reading struct {
	People []Member // sorted by ID
	Odd    []Odd
}

// Odd is an entry that cannot be a person.
type Odd struct{ DN, Reason string }

// Read reads all who count. Nobody at all is an error, and nobody in one of the groups whose members count: an empty answer
// must never mean that everybody has gone. So is a group that is not there, and everything that may have cut the answer.
func (c *Conn) Read(ctx context.Context, s Selection) (*Reading, error) {
	r, err := c.readAll(ctx, s)
	return r, c.orDoubt(err)
}

func (c *Conn) readAll(ctx context.Context, s Selection) (*Reading, error) {
	if err := CheckFilter(s.Filter); err != nil {
		return nil, &Error{Unacceptable, "who.filter: " + err.Error(), "mend who.filter: " + show, err}
	}
	who, err := c.who(ctx, s)
	if err != nil {
		return nil, err
	}
	r := &Reading{}
	if err := c.below(ctx, c.fields().names(), who.filters(c.config.Kind, s), who.take(r, c.fields(), s)); err != nil {
		return nil, err
	}
	if err := c.checkGroups(ctx, who, s); err != nil {
		return nil, err
	}
	if len(r.People) == 0 {
		return nil, c.nobody(ctx, s)
	}
	slices.SortFunc(r.People, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return r, nil
}

// nobody says why there is nobody at all.
func (c *Conn) nobody(ctx context.Context, s Selection) error {
	if s.Filter != "" {
		filter := s.Filter
		s.Filter = ""
		some, err := c.some(ctx, alone(c.config.Kind, s))
		if err != nil {
			return err
		}
		if some {
			return nobodyPasses(filter, "in the directory")
		}
	}
	return &Error{Missing, "the directory has nobody who counts, and an empty answer changes nothing",
		"check who.groups, who.filter and directory.people, and whether the groups have members: " + show, nil}
}

// nobodyPasses is the error of a filter that lets nobody of some through.
func nobodyPasses(filter, whence string) error {
	return fail(Missing, nil, "check who.filter, which is "+tunnel.Clean(filter, 200)+": "+show,
		"nobody %s passes who.filter, and an empty answer changes nothing", whence)
}

// checkGroups refuses a group of which nobody counts.
func (c *Conn) checkGroups(ctx context.Context, w who, s Selection) error {
	for i, g := range w.groups {
		some := g.met
		if g.filter != "" {
			var err error
			if some, err = c.some(ctx, append(alone(c.config.Kind, s), g.filter)); err != nil {
				return err
			}
		}
		if !some {
			return c.emptyGroup(ctx, g, s, i)
		}
	}
	return nil
}

// emptyGroup says why nobody of s.Groups[i] counts: the filter lets nobody through, or there is nobody.
func (c *Conn) emptyGroup(ctx context.Context, g *members, s Selection, i int) error {
	setting, dn := fmt.Sprintf("who.groups[%d]", i), tunnel.Clean(s.Groups[i], 200)
	if s.Filter != "" {
		any, err := c.hasAnybody(ctx, g, s)
		if err != nil {
			return err
		}
		if any {
			return nobodyPasses(s.Filter, "in the group "+dn+" ("+setting+")")
		}
	}
	remedy := "put people into it"
	if len(s.Groups) > 1 {
		remedy += ", or take it off the list: " + set("--unset '"+setting+"'")
	}
	return fail(Missing, nil, remedy, "the group %s (%s) has nobody who counts, and an empty answer changes nothing", dn, setting)
}

// hasAnybody reports whether anybody of a group counted if the filter of s were not.
func (c *Conn) hasAnybody(ctx context.Context, g *members, s Selection) (some bool, err error) {
	s.Filter = ""
	if g.filter != "" {
		return c.some(ctx, append(alone(c.config.Kind, s), g.filter))
	}
	now, f := time.Now(), c.fields()
	err = c.below(ctx, f.names(), alone(c.config.Kind, s), func(e *ldap.Entry) error {
		p := f.person(e, now)
		some = some || g.has(p) && (s.Disabled || !p.Off())
		return nil
	})
	return some, err
}

// who is the groups of a selection.
type who struct {
	groups []*members
	admins members
	mapped map[string]members
}

// who reads the groups of a selection.
func (c *Conn) who(ctx context.Context, s Selection) (w who, err error) {
	for i, dn := range s.Groups {
		m, err := c.groupOf(ctx, fmt.Sprintf("who.groups[%d]", i), dn, s.Nested)
		if err != nil {
			return w, err
		}
		w.groups = append(w.groups, &m)
	}
	known := func(setting, dn string) (members, error) {
		m, err := c.groupOf(ctx, setting, dn, s.Nested)
		if err == nil {
			err = c.fill(ctx, &m)
		}
		return m, err
	}
	if s.Admins != "" {
		if w.admins, err = known("who.admins", s.Admins); err != nil {
			return w, err
		}
	}
	w.mapped = map[string]members{}
	for _, name := range slices.Sorted(maps.Keys(s.Mapped)) {
		if w.mapped[name], err = known("groups."+name, s.Mapped[name]); err != nil {
			return w, err
		}
	}
	return w, nil
}

// filters are what the directory itself can let through.
func (w who) filters(k Kind, s Selection) []string {
	all := alone(k, s)
	if len(w.groups) == 0 || k != ActiveDirectory {
		return all
	}
	any := w.admins.filter
	for _, g := range w.groups {
		any += g.filter
	}
	return append(all, "(|"+any+")")
}

// alone are the filters that have nothing to do with groups.
func alone(k Kind, s Selection) (all []string) {
	if s.Filter != "" {
		all = append(all, s.Filter)
	}
	if !s.Disabled && k.enabled() != "" {
		all = append(all, k.enabled())
	}
	return all
}

// take adds an entry to r, if it counts.
func (w who) take(r *Reading, f Fields, s Selection) func(*ldap.Entry) error {
	now, seen := time.Now(), map[string]bool{}
	return func(e *ldap.Entry) error {
		m := Member{Person: f.person(e, now)}
		switch {
		case m.ID == "":
			r.Odd = append(r.Odd, Odd{tunnel.Clean(e.DN, 200), "it has no " + f.ID + ", by which it would be known again"})
			return nil
		case seen[m.ID], m.Off() && !s.Disabled, !w.counts(m.Person):
			return nil
		}
		seen[m.ID] = true
		m.Admin = w.admins.has(m.Person)
		for _, name := range slices.Sorted(maps.Keys(w.mapped)) {
			if w.mapped[name].has(m.Person) {
				m.Groups = append(m.Groups, name)
			}
		}
		r.People = append(r.People, m)
		return nil
	}
}

// counts reports whether a person is in one of the groups, where there are any, and notes in which. What a filter let through
// counts already.
func (w who) counts(p Person) bool {
	yes := len(w.groups) == 0 || w.admins.has(p)
	for _, m := range w.groups {
		in := m.filter != "" || m.has(p)
		m.met = m.met || in
		yes = yes || in
	}
	return yes
}

// fields are the attributes that this directory is read by.
func (c *Conn) fields() Fields { return c.config.Fields.over(DefaultFields(c.config.Kind)) }
