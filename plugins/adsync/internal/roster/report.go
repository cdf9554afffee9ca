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
	Groups      int `json:"groups"`
}

// report says what the plan does, user by user.
func (w *work) report(p pbx.Plan) (items []Item, count Count) {
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
		items = count.add(items, c.item(step, change && c.skip == ""))
	}
	for id, u := range w.gone {
		if _, change := changed[id]; change {
			items = count.add(items, Item{string(id), shown(u.Login), Marked, "not in the directory any more, or not among those who count"})
		} else {
			count.Unchanged++
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Or(cmp.Compare(a.Login, b.Login), cmp.Compare(a.ID, b.ID)) })
	return items, count
}

func (c *candidate) item(step pbx.Step, change bool) Item {
	i := Item{ID: c.person.ID, Login: shown(c.person.Login), Action: Unchanged}
	why := c.notes
	switch {
	case c.skip != "":
		i.Action, why = Skipped, append([]string{c.skip}, why...)
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
