// Package roster works out what the users and groups of a PBX shall be when these people are in the directory. It reads
// and writes nothing: what it returns is a pbx.Plan, and what to say about it.
//
// It keeps to three promises. Nobody is deleted: who is not in the directory any more is kept, marked or disabled. What
// belongs to the PBX, or is on the list of those left alone, stays as it is. And where more would change than the limits
// allow, nothing does.
package roster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/phone"
)

// Conflict says what becomes of a number that several people have.
type Conflict string

// The ways there are. With all of them a number that the PBX itself uses stays where it is.
const (
	MakeGroup Conflict = "group"      // it rings all of them
	FirstWins Conflict = "first-wins" // who has it already, else the admins first, then by login
	Skip      Conflict = "skip"       // who has it already, else nobody
)

// Orphans says what becomes of users who are not in the directory any more.
type Orphans string

// The ways there are; none deletes.
const (
	Keep    Orphans = "keep"    // as they are
	Mark    Orphans = "mark"    // shown as orphans, with their internal number alone
	Disable Orphans = "disable" // the same, and they cannot use the PBX
)

// Rules are what the operator decided.
type Rules struct {
	Phone     *phone.Plan
	Conflicts Conflict
	Orphans   Orphans
	Alone     []string // logins, mail addresses, extensions or IDs of users that are never touched
	Ignored   []string // logins and mail addresses in the directory that are passed over
	Groups    []string // names of the groups of the PBX that the directory says the members of
	Admins    bool     // the directory has a group that says who is an admin
	Accept    bool     // a group that has nobody any more is taken at its word
	Users     int      // at most so many active ones; 0: no limit
	Limits    Limits
}

// Roster is what shall be.
type Roster struct {
	Want  pbx.State
	Plan  pbx.Plan
	Items []Item // of whoever changes, loses a group, is passed over, or wants attention; sorted by login
	Count Count
}

// Make works out what the PBX shall be. The error is a *Blocked, with the roster that is not to be applied, where more
// would change than the limits allow, or where a group that had people has nobody any more.
func Make(have pbx.State, people []directory.Member, rules Rules) (*Roster, error) {
	w := newWork(have, people, rules)
	w.match()
	w.unique()
	w.licence()
	w.update()
	w.numbers()
	w.orphans()
	w.groups()
	w.settle()
	r := &Roster{Want: w.want, Plan: pbx.Diff(have, w.want)}
	losses := w.losses()
	r.Items, r.Count = w.report(r.Plan, losses)
	if err := w.emptied(losses); err != nil {
		return r, err
	}
	return r, rules.Limits.check(have, r.Plan, losses)
}

// candidate is one person on the way to being a user.
type candidate struct {
	person directory.Member
	user   pbx.User // as it shall be
	before pbx.User // as it is
	known  bool     // there is a before
	adopt  bool     // it was known by its mail address alone
	skip   string   // why it is passed over
	wanted bool     // by somebody who has put it on a list
	alone  bool     // it is one of those left alone
	inner  bool     // the directory has said its extension
	faxes  []string // numbers that it has for faxes
	notes  []string
}

// work is a roster in the making. Candidates are in the order in which they come first: admins, then by login.
type work struct {
	have, want pbx.State
	rules      Rules
	all        []*candidate
	byUser     map[pbx.ID]*candidate
	alone      map[string]bool
	gone       map[pbx.ID]pbx.User // orphans as they shall be
	shared     map[string][]*candidate
}

func newWork(have pbx.State, people []directory.Member, rules Rules) *work {
	w := &work{
		have: have, want: have.Clone(), rules: rules, byUser: map[pbx.ID]*candidate{}, alone: folded(rules.Alone),
		gone: map[pbx.ID]pbx.User{}, shared: map[string][]*candidate{},
	}
	ignored := folded(rules.Ignored)
	for _, p := range people {
		c := &candidate{person: p, skip: excluded(p.Person, ignored)}
		c.wanted = c.skip != excluded(p.Person, nil) // it is the list that excludes it
		w.all = append(w.all, c)
	}
	slices.SortStableFunc(w.all, func(a, b *candidate) int {
		if a.person.Admin != b.person.Admin {
			return map[bool]int{true: -1, false: 1}[a.person.Admin]
		}
		return cmp.Or(cmp.Compare(fold(a.person.Login), fold(b.person.Login)), cmp.Compare(a.person.ID, b.person.ID))
	})
	return w
}

func fold(s string) string { return strings.ToLower(s) }

func folded(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[fold(strings.TrimSpace(s))] = true
	}
	return m
}

// leftAlone reports whether a user is never touched: the PBX's own protected ones and admins, and those on the list.
func (w *work) leftAlone(u pbx.User) bool {
	return u.Protected || u.Admin && u.External == "" || w.listed(u)
}

// listed reports whether a user is on the list of those left alone.
func (w *work) listed(u pbx.User) bool {
	for _, key := range []string{string(u.ID), u.External, u.Login, u.Mail, u.Extension} {
		if key != "" && w.alone[fold(key)] {
			return true
		}
	}
	return false
}

// note adds something that an operator should know of a person.
func (c *candidate) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}
