package directory_test

import (
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
			p, err := directory.Verify(t.Context(), pinned(s), []directory.Server{at("dc1", s.Secure)}, c.s, c.login, c.password)
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
	if _, err := directory.Verify(t.Context(), c, []directory.Server{at("dc1", s.Secure)}, directory.Selection{}, "alice", slapdtest.Password); directory.CodeOf(err) != directory.Refused {
		t.Errorf("%v, code %q", err, directory.CodeOf(err))
	}
}
