package pbx

import (
	"cmp"
	"slices"
)

// State is all users and groups at one moment, each sorted by ID.
type State struct {
	Version string // says which moment; opaque, equal for equal states of one adapter
	Users   []User
	Groups  []Group
}

// Clone is a copy that shares nothing with s.
func (s State) Clone() State {
	c := State{Version: s.Version, Users: slices.Clone(s.Users), Groups: slices.Clone(s.Groups)}
	for i := range c.Users {
		c.Users[i].Numbers = slices.Clone(c.Users[i].Numbers)
	}
	for i := range c.Groups {
		c.Groups[i].Members, c.Groups[i].Numbers = slices.Clone(c.Groups[i].Members), slices.Clone(c.Groups[i].Numbers)
	}
	return c
}

// User finds a user; s is sorted.
func (s State) User(id ID) (User, bool) {
	i, ok := slices.BinarySearchFunc(s.Users, id, userID)
	if !ok {
		return User{}, false
	}
	return s.Users[i], true
}

// Group finds a group; s is sorted.
func (s State) Group(id ID) (Group, bool) {
	i, ok := slices.BinarySearchFunc(s.Groups, id, groupID)
	if !ok {
		return Group{}, false
	}
	return s.Groups[i], true
}

// PutUser adds a user, or replaces the one of the same ID.
func (s *State) PutUser(u User) {
	i, ok := slices.BinarySearchFunc(s.Users, u.ID, userID)
	if ok {
		s.Users[i] = u
		return
	}
	s.Users = slices.Insert(s.Users, i, u)
}

// PutGroup adds a group, or replaces the one of the same ID.
func (s *State) PutGroup(g Group) {
	i, ok := slices.BinarySearchFunc(s.Groups, g.ID, groupID)
	if ok {
		s.Groups[i] = g
		return
	}
	s.Groups = slices.Insert(s.Groups, i, g)
}

// DropGroup takes a group out, where there is one.
func (s *State) DropGroup(id ID) {
	if i, ok := slices.BinarySearchFunc(s.Groups, id, groupID); ok {
		s.Groups = slices.Delete(s.Groups, i, i+1)
	}
}

// Sort brings users, groups and members into the order that the other methods and Diff count on.
func (s *State) Sort() {
	slices.SortFunc(s.Users, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Groups, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	for i := range s.Groups {
		slices.Sort(s.Groups[i].Members)
		s.Groups[i].Members = slices.Compact(s.Groups[i].Members)
	}
}

func userID(u User, id ID) int   { return cmp.Compare(u.ID, id) }
func groupID(g Group, id ID) int { return cmp.Compare(g.ID, id) }
