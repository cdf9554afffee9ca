package roster

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/phone"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// numbers gives everybody the numbers that the directory says, as far as they are the PBX's to give.
func (w *work) numbers() {
	claims := map[string][]*candidate{} // of numbers, and of extensions
	for _, c := range w.all {
		if c.skip != "" {
			continue
		}
		w.read(c)
		for _, key := range keys(c.user) {
			claims[key] = append(claims[key], c)
		}
	}
	held := w.held()
	for _, key := range slices.Sorted(maps.Keys(claims)) {
		for _, c := range w.decide(key, claims[key], held[key]) {
			if old := c.before.Extension; c.user.Extension == "" && old != key && !held[old] && len(claims[old]) == 0 {
				c.user.Extension, held[old] = old, true // better the one it has than none
			}
		}
	}
}

// keys are what there may be only once: the extension, and numbers that are routed.
func keys(u pbx.User) (all []string) {
	if u.Extension != "" {
		all = append(all, u.Extension)
	}
	for _, n := range u.Numbers {
		if n.Use != pbx.Mobile {
			all = append(all, n.E164)
		}
	}
	return all
}

// held is what users and groups have that this run does not change. Orphans hold their extensions alone.
func (w *work) held() map[string]bool {
	held := map[string]bool{}
	for _, u := range w.have.Users {
		if c := w.byUser[u.ID]; c != nil && c.skip == "" {
			continue
		}
		if u.External != "" && w.rules.Orphans != Keep && w.byUser[u.ID] == nil && !w.leftAlone(u) {
			u.Numbers = nil
		}
		for _, key := range keys(u) {
			held[key] = true
		}
	}
	for _, g := range w.have.Groups {
		for _, n := range g.Numbers {
			if !ours(g) && n.Use != pbx.Mobile {
				held[n.E164] = true
			}
		}
	}
	return held
}

// read makes numbers of what the directory has of a person. Where it has no extension, the user keeps its own.
func (w *work) read(c *candidate) {
	if text := c.person.Extension; text != "" {
		n, err := w.rules.Phone.Parse(text)
		if err == nil && n.Kind != phone.Service && n.Extension == "" {
			err = errors.New("this is not an extension")
		}
		if w.noted(c, text, n, err) {
			c.user.Extension, c.inner = n.Extension, true
		}
	}
	for _, text := range c.person.Phones {
		w.add(c, text, pbx.Phone)
	}
	for _, text := range c.person.Faxes {
		w.add(c, text, pbx.Fax)
	}
	if len(c.user.Numbers) > pbx.MaxNumbers {
		c.user.Numbers = c.user.Numbers[:pbx.MaxNumbers]
		c.note("it has more than %d numbers", pbx.MaxNumbers)
	}
}

// add adds one number of a person. Where no attribute says the extension, it is the one that the first own number ends in.
// Of others' numbers the mobile ones are kept, to be listed.
func (w *work) add(c *candidate, from directory.Number, use pbx.Use) {
	n, err := w.rules.Phone.Parse(from.Text)
	if err == nil && n.Kind == phone.Foreign && strings.EqualFold(from.Attribute, "mobile") {
		c.user.Numbers = with(c.user.Numbers, pbx.Number{E164: n.E164, Use: pbx.Mobile})
		return
	}
	if !w.noted(c, from.Text, n, err) {
		return
	}
	if use == pbx.Fax {
		c.faxes = append(c.faxes, n.E164)
	}
	if n.E164 != "" {
		c.user.Numbers = with(c.user.Numbers, pbx.Number{E164: n.E164, Use: use})
	}
	if n.Extension != "" && !c.inner && use == pbx.Phone {
		c.user.Extension, c.inner = n.Extension, true
	}
}

// with is numbers with one more, if it is not there.
func with(ns []pbx.Number, n pbx.Number) []pbx.Number {
	if slices.ContainsFunc(ns, func(o pbx.Number) bool { return o.E164 == n.E164 }) {
		return ns
	}
	return append(ns, n)
}

// noted reports whether a user may have a number, and notes why not.
func (w *work) noted(c *candidate, text string, n phone.Number, err error) bool {
	if err == nil {
		err = w.rules.Phone.MayAssign(n)
	}
	if err == nil {
		return true
	}
	var f tunnel.Finding
	message := err.Error()
	if errors.As(err, &f) {
		message = f.Message
	}
	c.note("%q: %s", tunnel.Clean(text, 40), message)
	return false
}

// decide gives a number to one of those who claim it, to a group of them, or to nobody, and returns who does not get it.
func (w *work) decide(key string, cs []*candidate, held bool) []*candidate {
	if held {
		return take(key, cs, -1, "is used by the PBX")
	}
	if len(cs) == 1 {
		return nil
	}
	if strings.HasPrefix(key, "+") && w.rules.Conflicts == MakeGroup {
		w.shared[key] = cs
		return take(key, cs, -1, "is that of several people, and rings all of them")
	}
	winner := slices.IndexFunc(cs, func(c *candidate) bool { return c.known && slices.Contains(keys(c.before), key) })
	if winner < 0 && w.rules.Conflicts == FirstWins {
		winner = 0
	}
	return take(key, cs, winner, "is that of several people")
}

// take takes a number from all but one of those who claim it.
func take(key string, cs []*candidate, but int, why string) (without []*candidate) {
	for i, c := range cs {
		if i == but {
			continue
		}
		if c.user.Extension == key {
			c.user.Extension = ""
		}
		c.user.Numbers = slices.DeleteFunc(c.user.Numbers, func(n pbx.Number) bool { return n.E164 == key })
		c.note("%s %s", key, why)
		without = append(without, c)
	}
	return without
}
