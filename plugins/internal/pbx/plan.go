package pbx

import (
	"maps"
	"slices"
)

// Op is what a step does.
type Op string

// The steps there are. There is none that deletes a user: whoever has gone from the source is Orphaned or Disabled.
const (
	CreateUser  Op = "create-user"
	UpdateUser  Op = "update-user"
	CreateGroup Op = "create-group"
	UpdateGroup Op = "update-group"
	DropGroup   Op = "drop-group"
)

// Step is one change. User is set for steps about users, Group for those about groups; both are the state after the step,
// with a dropped group as it was.
type Step struct {
	Op     Op
	User   User
	Group  Group
	Before User   // of UpdateUser: as it was
	Reason string // why, in words, for reports; no adapter reads it
}

// Plan is what turns one state into another.
type Plan struct {
	Base  string // the version of the state it was made for; empty fits any
	Steps []Step
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }

// Diff is the plan that turns have into want: admins first, then users, then groups. A user that want leaves out is left
// as it is; a group that want leaves out is dropped, unless it is protected. Both states are sorted.
func Diff(have, want State) Plan {
	p := Plan{Base: have.Version}
	for _, admins := range []bool{true, false} {
		for _, u := range want.Users {
			if u.Admin == admins {
				p.user(have, u)
			}
		}
	}
	for _, g := range want.Groups {
		p.group(have, g)
	}
	for _, g := range have.Groups {
		if _, kept := want.Group(g.ID); !kept && !g.Protected {
			p.Steps = append(p.Steps, Step{Op: DropGroup, Group: g})
		}
	}
	return p
}

func (p *Plan) user(have State, u User) {
	before, ok := have.User(u.ID)
	switch {
	case !ok:
		p.Steps = append(p.Steps, Step{Op: CreateUser, User: u})
	case !before.Equal(u):
		p.Steps = append(p.Steps, Step{Op: UpdateUser, User: u, Before: before})
	}
}

func (p *Plan) group(have State, g Group) {
	before, ok := have.Group(g.ID)
	switch {
	case !ok:
		p.Steps = append(p.Steps, Step{Op: CreateGroup, Group: g})
	case !before.Equal(g):
		p.Steps = append(p.Steps, Step{Op: UpdateGroup, Group: g})
	}
}

// After is the state that the plan leads to: what adapters apply, and what tests compare with. It does not touch s, and
// sorts what it returns.
func (p Plan) After(s State) State {
	users, groups := map[ID]User{}, map[ID]Group{}
	for _, u := range s.Users {
		users[u.ID] = u
	}
	for _, g := range s.Groups {
		groups[g.ID] = g
	}
	for _, step := range p.Steps {
		switch step.Op {
		case CreateUser, UpdateUser:
			users[step.User.ID] = step.User
		case CreateGroup, UpdateGroup:
			groups[step.Group.ID] = step.Group
		case DropGroup:
			delete(groups, step.Group.ID)
		}
	}
	after := State{Version: s.Version, Users: slices.Collect(maps.Values(users)), Groups: slices.Collect(maps.Values(groups))}.Clone()
	after.Sort()
	return after
}
