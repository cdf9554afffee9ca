package roster

import (
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// What groups of ours are at their source: one of the directory's, or a number that several people have.
const (
	fromDirectory = "directory group "
	fromNumber    = "number "
)

func ours(g pbx.Group) bool {
	return strings.HasPrefix(g.External, fromDirectory) || strings.HasPrefix(g.External, fromNumber)
}

// GroupID is the ID of the group of the PBX with that name.
func GroupID(name string) pbx.ID { return pbx.ID(strings.ReplaceAll(strings.ToLower(name), "_", "-")) }

// groups keeps the groups that the PBX has, with whom they have of the PBX's own; puts those of the directory there, and
// those of shared numbers; and drops what is left of ours.
func (w *work) groups() {
	w.want.Groups = slices.DeleteFunc(w.want.Groups, ours)
	members := map[string][]pbx.ID{}
	for _, c := range w.all {
		switch {
		case c.skip == "":
			for _, name := range c.person.Groups {
				members[name] = append(members[name], c.user.ID)
			}
		case c.known:
			w.keepMember(members, c.before.ID)
		}
	}
	for _, name := range w.rules.Groups {
		w.putGroup(name, members[name])
	}
	for number, cs := range w.shared {
		g := pbx.Group{ID: pbx.ID("number-" + strings.TrimPrefix(number, "+")), External: fromNumber + number, Name: number}
		g.Numbers = []pbx.Number{{E164: number, Use: useOf(cs, number)}}
		for _, c := range cs {
			g.Members = append(g.Members, c.user.ID)
		}
		w.want.PutGroup(g)
	}
}

// keepMember leaves who is passed over in the groups that it is in.
func (w *work) keepMember(members map[string][]pbx.ID, id pbx.ID) {
	for _, name := range w.rules.Groups {
		if g, there := w.have.Group(GroupID(name)); there && slices.Contains(g.Members, id) {
			members[name] = append(members[name], id)
		}
	}
}

// putGroup puts a group of the directory. One of that name which the PBX has already stays the PBX's: people are added,
// and users from the directory who are not in it any more are taken out.
func (w *work) putGroup(name string, ids []pbx.ID) {
	g, there := w.want.Group(GroupID(name))
	if there && g.Protected {
		return
	}
	if !there {
		g = pbx.Group{ID: GroupID(name), External: fromDirectory + name, Name: name}
	}
	g.Members = append(slices.DeleteFunc(slices.Clone(g.Members), func(id pbx.ID) bool {
		u, _ := w.have.User(id)
		return u.External != "" && !w.leftAlone(u)
	}), ids...)
	slices.Sort(g.Members)
	g.Members = slices.Compact(g.Members)
	w.want.PutGroup(g)
}

// useOf is what a shared number is for: a fax only where it is one for all.
func useOf(cs []*candidate, number string) pbx.Use {
	for _, c := range cs {
		if !slices.Contains(c.faxes, number) {
			return pbx.Phone
		}
	}
	return pbx.Fax
}
