package roster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// Who is meant is known to the PBX as one of its active users. Of several people with one login that is the one who is, and
// nobody where that says nothing.
func TestWhomALoginMeans(t *testing.T) {
	ida := func(id string) directory.Person {
		return directory.Person{ID: id, DN: "uid=ida,ou=" + id, Login: "ida", Mail: id + "@corp.example"}
	}
	user := func(id string, s pbx.Status) pbx.User {
		return pbx.User{ID: pbx.ID("pbx-" + id), External: id, Login: "ida", Status: s}
	}
	for _, c := range []struct {
		name    string
		people  []directory.Person
		ignored string
		users   []pbx.User
		want    string // an ID in the directory
		code    directory.Code
	}{
		{"the only one", []directory.Person{ida("a")}, "", []pbx.User{user("b", pbx.Active), user("a", pbx.Active)}, "a", ""},
		{"not on the PBX", []directory.Person{ida("a")}, "", nil, "a", directory.NotAMember},
		{"another one on the PBX", []directory.Person{ida("a")}, "", []pbx.User{{ID: "a", Login: "ida", Status: pbx.Active}, user("b", pbx.Active)}, "a", directory.NotAMember},
		{"gone from the PBX", []directory.Person{ida("a")}, "", []pbx.User{user("a", pbx.Orphaned)}, "a", directory.NotAMember},
		{"who is on the PBX", []directory.Person{ida("a"), ida("b")}, "", []pbx.User{user("b", pbx.Active)}, "b", ""},
		{"none on the PBX", []directory.Person{ida("a"), ida("b")}, "", []pbx.User{{ID: "ida", Login: "ida", Status: pbx.Active}}, "", directory.Twice},
		{"one who was", []directory.Person{ida("a"), ida("b")}, "", []pbx.User{user("a", pbx.Orphaned)}, "", directory.Twice},
		{"one who was, and one who is", []directory.Person{ida("a"), ida("b")}, "", []pbx.User{user("a", pbx.Disabled), user("b", pbx.Active)}, "b", ""},
		{"several on the PBX", []directory.Person{ida("a"), ida("b"), ida("c")}, "", []pbx.User{user("a", pbx.Active), user("b", pbx.Active)}, "", directory.Twice},
		{"all but one passed over", []directory.Person{ida("a"), ida("b")}, "A@corp.example", []pbx.User{user("b", pbx.Active)}, "b", ""},
		{"all but one passed over, who is not on the PBX", []directory.Person{ida("a"), ida("b")}, "A@corp.example", []pbx.User{user("a", pbx.Active)}, "b", directory.NotAMember},
		{"passed over", []directory.Person{ida("a")}, "IDA", []pbx.User{user("a", pbx.Active)}, "", directory.NotAMember},
		{"all passed over", []directory.Person{ida("a"), ida("b")}, "ida", []pbx.User{user("a", pbx.Active)}, "", directory.NotAMember},
		{"a login that is none", []directory.Person{{ID: "a", Login: "ida\tx"}}, "", nil, "", directory.NotAMember},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, u, err := roster.Meant(c.people, []string{c.ignored}, func() (pbx.State, error) { return pbx.State{Users: c.users}, nil })
			if p.ID != c.want || directory.CodeOf(err) != c.code || (err == nil) != (c.code == "") {
				t.Errorf("it means %q, %v", p.ID, err)
			}
			if want := map[bool]pbx.ID{true: "pbx-" + pbx.ID(p.ID)}[err == nil]; u.ID != want {
				t.Errorf("it is the user %q", u.ID)
			}
		})
	}
	if _, _, err := roster.Meant([]directory.Person{ida("a"), ida("b")}, nil, func() (pbx.State, error) { return pbx.State{}, pbx.ErrDamaged }); !errors.Is(err, pbx.ErrDamaged) {
		t.Errorf("where the PBX cannot be read: %v", err)
	}
}

// What cannot be a login is not made one, and the reason says of whom and what to do.
func TestLoginsThatAreNone(t *testing.T) {
	for _, login := range []string{"jo\tdoe", "jo\ndoe", "jo\x00", "jo\u200b", "jo\u00a0doe", "jo\u202edoe", "jo\xff", " jo", "jo ", "*", "jo/doe", strings.Repeat("j", 65), ""} {
		p := person(login, "id=1", "mail=jo@corp.example")
		p.DN = "uid=jo,dc=corp,dc=example"
		made, err := roster.Make(pbx.State{}, []directory.Member{p}, rules(t))
		if err != nil || len(made.Want.Users) != 0 || len(made.Items) != 1 {
			t.Fatalf("%q becomes %+v, %v", login, made.Want.Users, err)
		}
		if i := made.Items[0]; i.Action != roster.Skipped || !strings.Contains(i.Reason, "give uid=jo,dc=corp,dc=example") {
			t.Errorf("%q: %+v", login, i)
		}
	}
	for _, login := range []string{"j", "jo doe", "jo.doe@corp.example", "jo_doe+2", "Jörg", "jo\u0301", "7", strings.Repeat("ü", 64)} {
		if users := synced(t, rules(t), person(login, "id=1", "mail=")).Users; !slices.ContainsFunc(users, func(u pbx.User) bool { return u.Login == login }) {
			t.Errorf("%q is no login", login)
		}
	}
}
