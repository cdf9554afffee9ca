package control

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// fill lets connections of m in until one is refused, at most as many as all limits together allow.
func (c *crowd) fill(m func(i int) member) (n int) {
	for n < 2*maxConns && c.enter(m(n)) {
		n++
	}
	return n
}

func TestNobodyTakesThePlacesOfOthers(t *testing.T) {
	root, operator := member{uid: 0, group: 1}, member{uid: 1000, group: 2}
	for _, c := range []struct {
		name  string
		crowd func(i int) member
		most  int
		left  []member // who still gets in
	}{
		{"a group, however many processes", func(int) member { return member{uid: 7, group: 7} }, maxConnsGroup, []member{root, operator, {uid: 7, group: 8}}},
		{"a user, in groups without end", func(i int) member { return member{uid: 7, group: 100 + i} }, maxConnsUser, []member{root, operator}},
		{"users and groups without end", func(i int) member { return member{uid: uint32(2000 + i), group: 100 + i} }, maxConnsOthers, []member{root}},
		{"a module, in users and groups without end", func(i int) member { return member{module: "adsync", uid: uint32(i), group: i} }, maxConnsModule,
			[]member{root, operator, {module: "tapi"}}},
		{"modules without end", func(i int) member { return member{module: tunnel.Owner(rune('a' + i))} }, 2 * maxConns, []member{root, operator}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all crowd
			n := all.fill(c.crowd)
			if n != c.most {
				t.Errorf("%d came in, not %d", n, c.most)
			}
			for _, m := range c.left {
				if !all.enter(m) {
					t.Errorf("%+v does not get in", m)
					continue
				}
				all.leave(m)
			}
			for i := range n {
				all.leave(c.crowd(i))
			}
			if all.all != 0 || len(all.modules)+len(all.users)+len(all.groups) != 0 {
				t.Errorf("after all left it counts %d, %v, %v, %v", all.all, all.modules, all.users, all.groups)
			}
		})
	}
}
