package control

import (
	"net/http"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// fill lets connections of m in until one is refused, at most as many as all limits together allow.
func (c *crowd) fill(m func(i int) member) (n int) {
	for n < 2*maxConns {
		if _, ok := c.enter(m(n)); !ok {
			break
		}
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
				if _, ok := all.enter(m); !ok {
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

func TestLimitIsNamed(t *testing.T) {
	for _, c := range []struct {
		crowd func(i int) member
		next  member
		want  string
	}{
		{func(int) member { return member{uid: 0, group: 7} }, member{uid: 0, group: 7}, "64 connections of this process group"},
		{func(i int) member { return member{uid: 0, group: i} }, member{uid: 0, group: 1000}, "128 connections of user 0"},
		{func(i int) member { return member{uid: uint32(1 + i), group: i} }, member{uid: 9999, group: 9999}, "448 connections of everybody but root"},
	} {
		var all crowd
		all.fill(c.crowd)
		limit, ok := all.enter(c.next)
		if ok || limit == nil || !strings.Contains(limit.Message, c.want) || limit.Hint == "" || limit.Status != http.StatusServiceUnavailable {
			t.Errorf("want %q, got %+v, %t", c.want, limit, ok)
		}
	}
}

// TestFewAreTurnedAwayAtATime: whoever is one too many takes no more than a few places, and none of another user's.
func TestFewAreTurnedAwayAtATime(t *testing.T) {
	var all crowd
	own := member{uid: 7, group: 7}
	for i := range maxAwayUser {
		if !all.turnAway(own) {
			t.Fatalf("number %d is not told", i)
		}
	}
	if all.turnAway(own) || all.turnAway(member{module: "adsync"}) {
		t.Error("more than the limit are told, or a module is")
	}
	if !all.turnAway(member{uid: 8, group: 7}) {
		t.Error("another user is not told")
	}
	all.gone(own)
	if !all.turnAway(own) {
		t.Error("the place of who is gone is not free")
	}
}
