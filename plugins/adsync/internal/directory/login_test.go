package directory_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

func TestVerifiesPasswords(t *testing.T) {
	s := slapdtest.Start(t, company)
	all, inner := directory.Selection{}, directory.Selection{Groups: []string{cn("pbx")}}
	nested := directory.Selection{Groups: []string{cn("pbx")}, Nested: true}
	for _, c := range []struct {
		name, login, password string
		s                     directory.Selection
		want                  directory.Code
	}{
		{"right", "alice", slapdtest.Password, all, ""},
		{"in capitals", "ALICE", slapdtest.Password, all, ""},
		{"wrong", "alice", "wrong", all, directory.Wrong},
		{"empty", "alice", "", all, directory.EmptyWord},
		{"unknown", "nobody", slapdtest.Password, all, directory.Wrong},
		{"everybody at once", "*", slapdtest.Password, all, directory.Wrong},
		{"a filter in the name", "alice)(uid=*", slapdtest.Password, all, directory.Wrong},
		{"another one", "*)(|(uid=*", slapdtest.Password, all, directory.Wrong},
		{"a NUL", "alice\x00", slapdtest.Password, all, directory.Wrong},
		{"no name", "", slapdtest.Password, all, directory.Wrong},
		{"a member", "alice", slapdtest.Password, inner, ""},
		{"no member", "carl", slapdtest.Password, inner, directory.NotAMember},
		{"of a group in it, which do not count", "bob", slapdtest.Password, inner, directory.NotAMember},
		{"of a group in it, which do", "bob", slapdtest.Password, nested, ""},
		{"an admin, though no member", "alice", slapdtest.Password, directory.Selection{Groups: []string{cn("inner")}, Admins: cn("admins")}, ""},
		{"who does not pass the filter", "alice", slapdtest.Password, directory.Selection{Filter: "(sn=B*)"}, directory.NotAMember},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := directory.Verify(t.Context(), pinned(s), []directory.Server{at("dc1", s.Secure)}, c.s, directory.Only, c.login, c.password)
			if directory.CodeOf(err) != c.want || err == nil && p.Login == "" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// A wrong password of the module's own user is nobody else's.
func TestItsOwnUserIsNotTheirs(t *testing.T) {
	s := slapdtest.Start(t, company)
	c := pinned(s)
	c.Password = "wrong"
	if _, err := directory.Verify(t.Context(), c, []directory.Server{at("dc1", s.Secure)}, directory.Selection{}, directory.Only, "alice", slapdtest.Password); directory.CodeOf(err) != directory.Refused {
		t.Errorf("%v, code %q", err, directory.CodeOf(err))
	}
}

// Whoever may not log in is not asked for a password: no connection is made for it.
func TestNobodyElseIsAskedForAPassword(t *testing.T) {
	s := slapdtest.Start(t, company+"dn: ou=b,"+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: b\n\n"+slapdtest.Person("ou=b,", "alice", "Alice", "Other"))
	var made int
	server := at("dc1", s.Secure)
	dial := server.Dial
	server.Dial = func(ctx context.Context) (net.Conn, error) {
		made++
		return dial(ctx)
	}
	nobody := func(context.Context, []directory.Person) (directory.Person, error) {
		return directory.Person{}, &directory.Error{Code: directory.NotAMember}
	}
	notHere := func(_ context.Context, people []directory.Person) (directory.Person, error) {
		return people[0], &directory.Error{Code: directory.NotAMember, Message: "no user"}
	}
	second := func(_ context.Context, people []directory.Person) (directory.Person, error) {
		return people[slices.IndexFunc(people, func(p directory.Person) bool { return p.Surname == "Other" })], nil
	}
	for _, c := range []struct {
		name   string
		choose directory.Choose
		login  string
		want   directory.Code
		conns  int
	}{
		{"nobody is meant", nobody, "bob", directory.NotAMember, 1},
		{"who is meant may not", notHere, "bob", directory.NotAMember, 1},
		{"several are", directory.Only, "alice", directory.Twice, 1},
		{"one of several is", second, "alice", "", 2},
	} {
		made = 0
		p, err := directory.Verify(t.Context(), pinned(s), []directory.Server{server}, directory.Selection{}, c.choose, c.login, slapdtest.Password)
		if directory.CodeOf(err) != c.want || made != c.conns || err == nil && p.Surname != "Other" {
			t.Errorf("where %s: %+v, %v, by %d connections", c.name, p, err, made)
		}
	}
}

// Who is known by a name with something in it that cannot be seen is nobody else.
func TestNamesAreAsTheyStand(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	entry := func(cn, uid, mail string) string {
		return "dn: cn=" + cn + "," + slapdtest.Base + "\nobjectClass: inetOrgPerson\ncn: " + cn + "\nsn: X\nuid:: " + b64(uid) + "\nmail:: " + b64(mail) + "\n\n"
	}
	s := slapdtest.Start(t, entry("1", "jo\tdoe", "x@corp.example")+entry("2", "al\u200bice", "y@corp.example")+entry("3", "  bo   ell ", " z@corp.example "))
	r, err := open(t, pinned(s), at("dc1", s.Secure)).Read(t.Context(), directory.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.People {
		got = append(got, p.Login+" "+p.Mail)
	}
	slices.Sort(got)
	if want := []string{"al\u200bice y@corp.example", "bo ell z@corp.example", "jo\tdoe x@corp.example"}; !slices.Equal(got, want) {
		t.Errorf("it reads %q", got)
	}
}

// A directory that is not of the configured kind knows nobody, which is not their fault.
func TestAnotherKindOfDirectoryIsSaid(t *testing.T) {
	s := slapdtest.Start(t, company)
	c := pinned(s)
	c.Kind = directory.ActiveDirectory
	conn := open(t, c, at("dc1", s.Secure))
	if doubt := conn.Doubt(); doubt == nil || !strings.Contains(doubt.For("adsync/x"), "culvert config set adsync/x directory.kind=openldap") {
		t.Errorf("it says %v", doubt)
	}
	if _, err := conn.Read(t.Context(), directory.Selection{}); directory.CodeOf(err) != directory.NotAD {
		t.Errorf("reading it ends with %v", err)
	}
	login := func(name string) error {
		_, err := directory.Verify(t.Context(), c, []directory.Server{at("dc1", s.Secure)}, directory.Selection{}, directory.Only, name, "not "+slapdtest.Password)
		return err
	}
	known, unknown := login("alice"), login("nobody")
	if directory.CodeOf(unknown) != directory.Wrong || unknown.Error() != known.Error() {
		t.Errorf("an unknown login ends with %v, a wrong password with %v", unknown, known)
	}
	if directory.CodeOf(errors.Unwrap(unknown)) != directory.NotAD {
		t.Errorf("beneath it is %v", errors.Unwrap(unknown))
	}
	if doubt := open(t, pinned(s), at("dc1", s.Secure)).Doubt(); doubt != nil {
		t.Errorf("as what it is: %v", doubt)
	}
}
