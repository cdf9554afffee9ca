package pbx_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func anna() pbx.User {
	u, _ := pbxtest.Sample().User("anna")
	return u
}

// Every rule of a field: what breaks it is left out by Fit, and told.
func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*pbx.User)
		field string
		code  tunnel.Code
	}{
		"line break":  {func(u *pbx.User) { u.Surname = "a\nb" }, "surname", tunnel.Malformed},
		"NUL":         {func(u *pbx.User) { u.GivenName = "a\x00" }, "given_name", tunnel.Malformed},
		"direction":   {func(u *pbx.User) { u.DisplayName = "a\u202eb" }, "display_name", tunnel.Malformed},
		"broken":      {func(u *pbx.User) { u.Title = "a\xff" }, "title", tunnel.Malformed},
		"separator":   {func(u *pbx.User) { u.Company = "a\u2028b" }, "company", tunnel.Malformed},
		"space":       {func(u *pbx.User) { u.Department = " a" }, "department", tunnel.Malformed},
		"long":        {func(u *pbx.User) { u.Department = strings.Repeat("ä", pbx.MaxText+1) }, "department", tunnel.TooLong},
		"mail":        {func(u *pbx.User) { u.Mail = "anna" }, "mail", tunnel.Malformed},
		"two mails":   {func(u *pbx.User) { u.Mail = "a@b,c@d" }, "mail", tunnel.Malformed},
		"extension":   {func(u *pbx.User) { u.Extension = "1&2" }, "extension", tunnel.Malformed},
		"number":      {func(u *pbx.User) { u.Numbers = []pbx.Number{{E164: "110", Use: pbx.Phone}} }, "numbers", tunnel.Malformed},
		"use":         {func(u *pbx.User) { u.Numbers[0].Use = "pager" }, "numbers", tunnel.Malformed},
		"twice":       {func(u *pbx.User) { u.Numbers = append(u.Numbers, u.Numbers[0]) }, "numbers", tunnel.Exists},
		"two uses":    {func(u *pbx.User) { u.Numbers = append(u.Numbers, pbx.Number{E164: u.Numbers[0].E164, Use: pbx.Fax}) }, "numbers", tunnel.Exists},
		"many":        {func(u *pbx.User) { u.Numbers = many(pbx.MaxNumbers + 1) }, "numbers", tunnel.TooMany},
		"its source":  {func(u *pbx.User) { u.External = "\x1b[2J" }, "external", tunnel.Malformed},
		"ten kB name": {func(u *pbx.User) { u.DisplayName = strings.Repeat("a", 10_000) }, "display_name", tunnel.TooLong},
	} {
		u := anna()
		c.spoil(&u)
		if fs := u.Check(); len(fs) != 1 || fs[0].Field != c.field || fs[0].Code != c.code {
			t.Errorf("%s: Check says %v", name, fs)
		}
		fit, fs, ok := u.Fit()
		if !ok || len(fs) != 1 || fs[0].Field != c.field || len(fs[0].Value) > 100 || len(fit.Check()) > 0 {
			t.Errorf("%s: Fit says %v, %v", name, fs, ok)
		}
		if fit.Login != "anna" || fit.Status != pbx.Active {
			t.Errorf("%s: of the rest is left %+v", name, fit)
		}
	}
}

func many(n int) (ns []pbx.Number) {
	for i := range n {
		ns = append(ns, pbx.Number{E164: fmt.Sprintf("+49721%07d", i), Use: pbx.Phone})
	}
	return ns
}

func TestNothingIsFitWithoutAnIdentity(t *testing.T) {
	for field, spoil := range map[string]func(*pbx.User){
		"id":     func(u *pbx.User) { u.ID = "../x" },
		"login":  func(u *pbx.User) { u.Login = "" },
		"status": func(u *pbx.User) { u.Status = "" },
	} {
		u := anna()
		spoil(&u)
		if _, fs, ok := u.Fit(); ok || len(fs) != 1 || fs[0].Field != field {
			t.Errorf("%s: %v, %v", field, fs, ok)
		}
	}
}

func TestStatesThatContradictThemselves(t *testing.T) {
	for field, spoil := range map[string]func(*pbx.State){
		"users[bob].login":       func(s *pbx.State) { s.Users[1].Login = "ANNA" },
		"users[bob].extension":   func(s *pbx.State) { s.Users[1].Extension = "101" },
		"users[bob].numbers":     func(s *pbx.State) { s.Users[1].Numbers = s.Users[0].Numbers },
		"groups[sales].numbers":  func(s *pbx.State) { s.Groups[0].Numbers = s.Users[0].Numbers[:1] },
		"groups[sales].members":  func(s *pbx.State) { s.Groups[0].Members = []pbx.ID{"nobody"} },
		"groups[sales].name":     func(s *pbx.State) { s.Groups[0].Name = "a\nb" },
		"groups[sales].external": func(s *pbx.State) { s.Groups[0].External = "\x00" },
		"users[carl].id":         func(s *pbx.State) { s.Users[3] = s.Users[2]; s.Users[3].Login, s.Users[3].Extension = "x", "" },
	} {
		s := pbxtest.Sample()
		spoil(&s)
		if fs := s.Check(); len(fs) != 1 || fs[0].Field != field {
			t.Errorf("%s: %v", field, fs)
		}
	}
	unsorted := pbxtest.Sample()
	unsorted.Groups[0].Members = []pbx.ID{"bob", "anna"}
	if fs := unsorted.Check(); len(fs) != 1 {
		t.Errorf("unsorted members: %v", fs)
	}
	if fs := pbxtest.Sample().Check(); len(fs) > 0 {
		t.Error(fs)
	}
	if s := (pbx.State{Users: make([]pbx.User, 1000)}); len(s.Check()) != 100 {
		t.Errorf("%d findings", len(s.Check()))
	}
}

func TestDiffPutsAdminsFirstAndGroupsLast(t *testing.T) {
	have, want := pbxtest.Sample(), pbxtest.Sample()
	have.Version = have.Digest()
	want.Users[1].Mail, want.Users[3].Admin = "b@example.com", true
	want.PutUser(pbx.User{ID: "aaron", Login: "aaron", Status: pbx.Active})
	want.Groups[0].Name = "Sellers"
	want.PutGroup(pbx.Group{ID: "all", Name: "All"})
	have.PutGroup(pbx.Group{ID: "old", Name: "Old"})
	have.PutGroup(pbx.Group{ID: "theirs", Name: "Theirs", Protected: true})
	p := pbx.Diff(have, want)
	var got []string
	for _, s := range p.Steps {
		got = append(got, fmt.Sprintf("%s %s%s", s.Op, s.User.ID, s.Group.ID))
	}
	if want := []string{"update-user dora", "create-user aaron", "update-user bob", "create-group all", "update-group sales", "drop-group old"}; !slices.Equal(got, want) {
		t.Errorf("the steps are %q", got)
	}
	if p.Base != have.Version || p.Steps[2].Before.Mail != "bob@example.com" {
		t.Errorf("%+v", p)
	}
	if rest := pbx.Diff(p.After(have), want); !rest.Empty() {
		t.Errorf("what is left to do: %+v", rest)
	}
}

// No field is forgotten where users and groups are compared.
func TestEqualSeesEveryField(t *testing.T) {
	for i := range reflect.TypeFor[pbx.User]().NumField() {
		u := anna()
		if name := change(reflect.ValueOf(&u).Elem(), i); u.Equal(anna()) {
			t.Errorf("users that differ in %s are equal", name)
		}
	}
	for i := range reflect.TypeFor[pbx.Group]().NumField() {
		g := pbxtest.Sample().Groups[0]
		if name := change(reflect.ValueOf(&g).Elem(), i); g.Equal(pbxtest.Sample().Groups[0]) {
			t.Errorf("groups that differ in %s are equal", name)
		}
	}
}

func change(v reflect.Value, field int) (name string) {
	switch f := v.Field(field); f.Kind() {
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Bool:
		f.SetBool(!f.Bool())
	default:
		f.SetZero()
	}
	return v.Type().Field(field).Name
}

// A clone and what a plan leads to share nothing with the state they come from.
func TestStatesShareNothing(t *testing.T) {
	s := pbxtest.Sample()
	for name, c := range map[string]pbx.State{"Clone": s.Clone(), "After": pbx.Plan{}.After(s)} {
		c.Users[0].Numbers[0].E164, c.Groups[0].Members[0] = "x", "x"
		if p := pbx.Diff(s, pbxtest.Sample()); !p.Empty() {
			t.Errorf("%s: %+v", name, p.Steps)
		}
	}
}

func TestDigestTellsStatesApart(t *testing.T) {
	a, b := pbxtest.Sample(), pbxtest.Sample()
	if a.Digest() != b.Digest() {
		t.Error("equal states have two digests")
	}
	b.Users[2].Protected = true
	if a.Digest() == b.Digest() {
		t.Error("two states have one digest")
	}
}

func TestName(t *testing.T) {
	for want, u := range map[string]pbx.User{
		"shown": {DisplayName: "shown", GivenName: "a", Login: "l"}, "a b": {GivenName: "a", Surname: "b", Login: "l"}, "b": {Surname: "b", Login: "l"},
		"a": {GivenName: "a", Login: "l"}, "l": {Login: "l"},
	} {
		if u.Name() != want {
			t.Errorf("%+v is called %q", u, u.Name())
		}
	}
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{" a \t b\u00a0c\n": "a b c", "": "", "a\x00": "a\x00", "M\u00fcller": "Müller"} {
		if got := pbx.Line(text); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func FuzzFit(f *testing.F) {
	for _, h := range pbxtest.Hostile() {
		f.Add(h, h, h)
	}
	f.Fuzz(func(t *testing.T, text, mail, number string) {
		u, fs, ok := pbx.User{ID: "a", Login: text, Surname: text, Mail: mail, Extension: number, Numbers: []pbx.Number{{E164: number, Use: pbx.Fax}}, Status: pbx.Active}.Fit()
		if ok && len(u.Check()) > 0 || !ok && len(fs) == 0 {
			t.Errorf("%+v: %v", u, fs)
		}
		for _, f := range fs {
			if f.Message == "" || f.WayOut == "" || len(f.Value) > 100 {
				t.Errorf("%+v", f)
			}
		}
	})
}
