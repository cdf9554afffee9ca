package roster

import (
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// loss is what a user from the directory has no more after a run, though nothing else of it may change.
type loss struct {
	admin  bool
	groups []string // their names
}

// losses are of all users from the directory who lose something, by their IDs. What is wanted is complete and sorted.
func (w *work) losses() map[pbx.ID]*loss {
	all := map[pbx.ID]*loss{}
	of := func(id pbx.ID) *loss {
		if all[id] == nil {
			all[id] = &loss{}
		}
		return all[id]
	}
	for _, u := range w.have.Users {
		if then, there := w.want.User(u.ID); u.External != "" && u.Admin && there && !then.Admin {
			of(u.ID).admin = true
		}
	}
	for _, g := range w.have.Groups {
		if !w.mapped(g) {
			continue
		}
		then, _ := w.want.Group(g.ID)
		for _, id := range g.Members {
			if u, there := w.have.User(id); !there || u.External == "" {
				continue
			}
			if _, stays := slices.BinarySearch(then.Members, id); !stays {
				l := of(id)
				l.groups = append(l.groups, g.Name)
			}
		}
	}
	return all
}

// mapped reports whether the directory says, or has said, who is in a group.
func (w *work) mapped(g pbx.Group) bool {
	return strings.HasPrefix(g.External, fromDirectory) ||
		slices.ContainsFunc(w.rules.Groups, func(name string) bool { return GroupID(name) == g.ID })
}

// emptied is a *Blocked where a group that says who is something has nobody any more, and somebody would lose it by that.
func (w *work) emptied(losses map[pbx.ID]*loss) error {
	if w.rules.Accept {
		return nil
	}
	stop := func(setting, what string, has func(*candidate) bool, loses func(*loss) bool) error {
		if slices.ContainsFunc(w.all, func(c *candidate) bool { return (c.skip == "" || c.known) && has(c) }) {
			return nil
		}
		would := 0
		for _, l := range losses {
			if loses(l) {
				would++
			}
		}
		if would == 0 {
			return nil
		}
		return &Blocked{Would: would, Of: fromThere(w.have), Emptied: setting, Loss: what}
	}
	if w.rules.Admins {
		if err := stop("who.admins", "administer the PBX no longer",
			func(c *candidate) bool { return c.person.Admin }, func(l *loss) bool { return l.admin }); err != nil {
			return err
		}
	}
	for _, name := range w.rules.Groups {
		g, _ := w.have.Group(GroupID(name))
		if err := stop("groups."+name, "leave the group "+name,
			func(c *candidate) bool { return slices.Contains(c.person.Groups, name) },
			func(l *loss) bool { return slices.Contains(l.groups, g.Name) }); err != nil {
			return err
		}
	}
	return nil
}

// notes say it. Of no loss there is nothing to say.
func (l *loss) notes() (all []string) {
	if l == nil {
		return nil
	}
	if l.admin {
		all = append(all, "is no administrator any more")
	}
	for _, name := range l.groups {
		all = append(all, "leaves the group "+name)
	}
	return all
}
