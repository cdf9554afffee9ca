package roster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Action is what becomes of a user.
type Action string

// The actions there are. Unchanged users are counted, and listed only where something of them wants attention.
const (
	Created     Action = "created"
	Updated     Action = "updated"
	Reactivated Action = "reactivated"
	Marked      Action = "marked"
	Unchanged   Action = "unchanged"
	Skipped     Action = "skipped"
)

// Item is what becomes of one. Its texts are fit to show; Reason names fields and never repeats their values, but for a
// number that could not be given.
type Item struct {
	ID     string `json:"id"`
	Login  string `json:"login"`
	Action Action `json:"action"`
	Reason string `json:"reason,omitempty"`
	Wanted bool   `json:"as_wanted,omitempty"` // passed over, for it is on a list of the operator's

	noted, lost bool // there is more to say than what changes; it loses a group, or its rights
}

// weight is less the more an item matters to whoever reads some alone: first who is passed over, then who loses something,
// then whatever there is to say something about.
func (i Item) weight() int {
	switch {
	case i.Action == Skipped && !i.Wanted:
		return 0
	case i.lost || i.Action == Marked:
		return 1
	case i.noted:
		return 2
	case i.Wanted:
		return 3
	}
	return 4
}

// Urgent reports whether somebody is passed over who should perhaps not be.
func (i Item) Urgent() bool { return i.weight() == 0 }

// ByWeight has items with what matters first, and otherwise in their order.
func ByWeight(items []Item) []Item {
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b Item) int { return cmp.Compare(a.weight(), b.weight()) })
	return sorted
}

// Count is how many of each.
type Count struct {
	Seen        int `json:"seen"`
	Created     int `json:"created"`
	Updated     int `json:"updated"`
	Reactivated int `json:"reactivated"`
	Marked      int `json:"marked"`
	Unchanged   int `json:"unchanged"`
	Skipped     int `json:"skipped"`
	Wanted      int `json:"skipped_as_wanted"` // of Skipped, those on lists of the operator's
	Groups      int `json:"groups"`
}

// report says what the plan does, user by user.
func (w *work) report(p pbx.Plan, losses map[pbx.ID]*loss) (items []Item, count Count) {
	count.Seen = len(w.all)
	changed := map[pbx.ID]pbx.Step{}
	for _, s := range p.Steps {
		if s.Op == pbx.CreateUser || s.Op == pbx.UpdateUser {
			changed[s.User.ID] = s
		} else {
			count.Groups++
		}
	}
	for _, c := range w.all {
		step, change := changed[c.user.ID]
		items = count.add(items, c.item(step, change && c.skip == "", losses[c.before.ID]))
	}
	for id := range w.gone {
		if _, change := changed[id]; !change && losses[id] == nil {
			count.Unchanged++
		}
	}
	for _, u := range w.have.Users {
		_, change := changed[u.ID]
		if l := losses[u.ID]; w.byUser[u.ID] == nil && (change || l != nil) {
			items = count.add(items, goneItem(u, change, l))
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Or(cmp.Compare(a.Login, b.Login), cmp.Compare(a.ID, b.ID)) })
	return items, count
}

// goneItem is of a user who is not in the directory. change is that it is marked for it.
func goneItem(u pbx.User, change bool, l *loss) Item {
	i := Item{ID: string(u.ID), Login: shown(u.Login), Action: Updated, lost: l != nil}
	if change {
		i.Action = Marked
	}
	why := append([]string{"not in the directory any more, or not among those who count"}, l.notes()...)
	i.Reason = tunnel.Clean(strings.Join(why, "; "), 300)
	return i
}

func (c *candidate) item(step pbx.Step, change bool, l *loss) Item {
	i := Item{ID: c.person.ID, Login: shown(c.person.Login), Action: Unchanged, noted: len(c.notes) > 0, lost: l != nil}
	why := slices.Concat(l.notes(), c.notes)
	switch {
	case c.skip != "":
		i.Action, i.Wanted, why = Skipped, c.wanted, append([]string{c.skip}, why...)
	case !change && l != nil:
		i.Action = Updated
	case !change:
	case step.Op == pbx.CreateUser:
		i.Action = Created
	default:
		i.Action = Updated
		if step.Before.Status != pbx.Active {
			i.Action = Reactivated
		}
		fields := strings.Join(differing(step.Before, step.User), ", ")
		if c.adopt {
			fields = "known by its mail address; " + fields
		}
		why = append([]string{fields}, why...)
	}
	i.Reason = tunnel.Clean(strings.Join(why, "; "), 300)
	return i
}

// shown is a login as reports have it: one that cannot be a user's may hold anything.
func shown(login string) string { return tunnel.Clean(strings.ReplaceAll(login, "\ufffd", ""), 80) }

// add counts an item, and lists it if there is something to say.
func (c *Count) add(items []Item, i Item) []Item {
	switch i.Action {
	case Created:
		c.Created++
	case Updated:
		c.Updated++
	case Reactivated:
		c.Reactivated++
	case Marked:
		c.Marked++
	case Skipped:
		c.Skipped++
		if i.Wanted {
			c.Wanted++
		}
	case Unchanged:
		if c.Unchanged++; i.Reason == "" {
			return items
		}
	}
	return append(items, i)
}

// differing are the names of the fields in which two users differ.
func differing(a, b pbx.User) (fields []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"identity", a.External == b.External}, {"login", a.Login == b.Login}, {"given name", a.GivenName == b.GivenName},
		{"surname", a.Surname == b.Surname}, {"display name", a.DisplayName == b.DisplayName}, {"mail", a.Mail == b.Mail},
		{"company", a.Company == b.Company}, {"department", a.Department == b.Department}, {"title", a.Title == b.Title},
		{"extension", a.Extension == b.Extension}, {"numbers", slices.Equal(a.Numbers, b.Numbers)}, {"admin", a.Admin == b.Admin},
		{"status", a.Status == b.Status},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}
