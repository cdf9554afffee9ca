package pbx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Check has the rules of a whole state: those of each user and group, that no two hold the same ID, login (whatever its
// case), extension or outside number to be routed, and that members of groups exist. Adapters refuse a plan that leads to
// a state with findings. Fields are paths: users[ID].mail. At most 100 findings are given.
func (s State) Check() (fs tunnel.Findings) {
	if len(s.Users) > MaxUsers || len(s.Groups) > MaxGroups {
		return tunnel.Findings{finding(tunnel.TooMany, "users", fmt.Sprint(len(s.Users)), "these are more users or groups than can be kept",
			fmt.Sprintf("use at most %d users and %d groups", MaxUsers, MaxGroups))}
	}
	h := holders{}
	for _, u := range s.Users {
		path := "users[" + tunnel.Clean(string(u.ID), shown) + "]."
		fs = append(fs, under(path, u.Check())...)
		fs = append(fs, h.user(path, u)...)
	}
	for _, g := range s.Groups {
		path := "groups[" + tunnel.Clean(string(g.ID), shown) + "]."
		fs = append(fs, under(path, g.Check())...)
		fs = append(fs, h.group(path, g)...)
		fs = append(fs, s.checkMembers(path, g)...)
	}
	return fs[:min(len(fs), maxFindings)]
}

// holders says who holds what there may be only once.
type holders map[string]string

func (h holders) user(path string, u User) (fs tunnel.Findings) {
	fs = append(fs, h.hold(path, "id", "user "+string(u.ID))...)
	fs = append(fs, h.hold(path, "login", strings.ToLower(u.Login))...)
	if u.Extension != "" {
		fs = append(fs, h.hold(path, "extension", u.Extension)...)
	}
	return append(fs, h.numbers(path, u.Numbers)...)
}

func (h holders) group(path string, g Group) tunnel.Findings {
	return append(h.hold(path, "id", "group "+string(g.ID)), h.numbers(path, g.Numbers)...)
}

func (h holders) numbers(path string, ns []Number) (fs tunnel.Findings) {
	for _, n := range ns {
		if n.Use != Mobile {
			fs = append(fs, h.hold(path, "numbers", n.E164)...)
		}
	}
	return fs
}

func (h holders) hold(path, field, value string) tunnel.Findings {
	key := field + " " + value
	if first, held := h[key]; held {
		return tunnel.Findings{finding(tunnel.Exists, path+field, value, "this is held already by "+strings.TrimSuffix(first, "."), "give it to one alone")}
	}
	h[key] = path
	return nil
}

func (s State) checkMembers(path string, g Group) (fs tunnel.Findings) {
	for i, m := range g.Members {
		if _, ok := s.User(m); !ok {
			fs = append(fs, finding(tunnel.NotFound, path+"members", string(m), "there is no such user", "leave it out"))
		}
		if i > 0 && g.Members[i-1] >= m {
			fs = append(fs, finding(tunnel.Malformed, path+"members", string(m), "the members are not sorted, each once", "call State.Sort"))
		}
	}
	return fs
}

func under(path string, fs tunnel.Findings) tunnel.Findings {
	fs = slices.Clone(fs)
	for i := range fs {
		fs[i].Field = path + fs[i].Field
	}
	return fs
}
