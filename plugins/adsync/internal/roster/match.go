package roster

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// match finds the user of every person: by the identity in the directory, which outlives every rename and move, else by
// the mail address in whatever case, where that user is not somebody else's. An address that is nearly a user's is noted, and
// no more: it may be anybody's.
func (w *work) match() {
	byIdentity, byMail, nearly := map[string]pbx.User{}, map[string][]pbx.User{}, map[string]pbx.User{}
	present := map[string]bool{}
	for _, c := range w.all {
		present[c.person.ID] = true
	}
	for _, u := range w.have.Users {
		if u.External != "" {
			byIdentity[u.External] = u
		}
		if u.Mail != "" && !present[u.External] {
			byMail[fold(u.Mail)] = append(byMail[fold(u.Mail)], u)
			nearly[near(u.Mail)] = u
		}
	}
	for _, c := range w.all {
		c.before, c.known = byIdentity[c.person.ID]
		if same := byMail[fold(c.person.Mail)]; !c.known && c.person.Mail != "" && len(same) > 0 {
			w.adopt(c, same)
		}
		if u, is := nearly[near(c.person.Mail)]; is && !c.known && c.skip == "" {
			c.note("its mail address is nearly that of the user %s of the PBX: where they are one person, write both alike", u.Login)
		}
		if c.known && w.leftAlone(c.before) {
			c.alone, c.skip, c.wanted = true, "the user is protected, or on the list of those left alone", w.listed(c.before)
		}
		if c.known {
			w.byUser[c.before.ID] = c
		}
	}
}

// adopt takes a user for the person's who has the same mail address.
func (w *work) adopt(c *candidate, same []pbx.User) {
	taken := w.byUser[same[0].ID] != nil
	switch {
	case len(same) > 1:
		c.skip = "several users of the PBX have the mail address of this person"
	case taken:
		c.skip = "several people have the same mail address"
	default:
		c.before, c.known, c.adopt = same[0], true, true
	}
}

// near makes one of mail addresses that differ in what is easily overlooked: case, spaces and what cannot be seen, accents and
// width, and a point at the end.
func near(mail string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || r < unicode.MaxASCII && unicode.IsGraphic(r) && r != ' ' {
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKD.String(mail))), ".")
}

// unique passes over who would have a login or a mail address that another one has. Who has it in the PBX already keeps it;
// of several who do not, nobody gets it. Whoever is passed over keeps what it had, which may be in the way of another:
// so it goes on until nothing changes.
func (w *work) unique() {
	for w.uniqueBy("login", func(u pbx.User) string { return u.Login }, func(c *candidate) string { return c.person.Login }) ||
		w.uniqueBy("mail address", func(u pbx.User) string { return u.Mail }, func(c *candidate) string { return c.person.Mail }) {
	}
}

// uniqueBy does it for one key, and reports whether anybody new is passed over.
func (w *work) uniqueBy(what string, had func(pbx.User) string, wants func(*candidate) string) (changed bool) {
	taken, wanted := map[string]bool{}, map[string][]*candidate{}
	for _, u := range w.have.Users {
		if c := w.byUser[u.ID]; c == nil || c.skip != "" {
			taken[fold(had(u))] = true
		}
	}
	for _, c := range w.all {
		if key := fold(wants(c)); c.skip == "" && key != "" {
			wanted[key] = append(wanted[key], c)
		}
	}
	for key, cs := range wanted {
		var holder *candidate
		for _, c := range cs {
			if c.known && fold(had(c.before)) == key {
				holder = c
			}
		}
		for _, c := range cs {
			switch {
			case taken[key]:
				c.skip = "another user of the PBX has its " + what
			case len(cs) > 1 && c != holder:
				c.skip = "several people have the same " + what + ": " + names(cs) + "; give each their own, or put whoever shall be no user on who.ignore, by a login or mail address that is theirs alone"
			default:
				continue
			}
			changed = true
		}
	}
	return changed
}

// names are the DNs of some people, a few of many.
func names(cs []*candidate) string {
	const few = 3
	var all []string
	for _, c := range cs[:min(len(cs), few)] {
		all = append(all, tunnel.Clean(c.person.DN, 200))
	}
	if more := len(cs) - few; more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, " and ")
}

// licence passes over new users for whom there is no room.
func (w *work) licence() {
	if w.rules.Users == 0 {
		return
	}
	room := w.rules.Users
	for _, u := range w.have.Users {
		if u.Status == pbx.Active {
			room--
		}
	}
	for _, c := range w.all {
		switch back := c.known && c.before.Status != pbx.Active; {
		case c.skip != "" || c.known && !back:
		case room > 0:
			room--
		default:
			c.skip = "the PBX has no room for another user"
		}
	}
}
