package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

// What the module is accepted by, against a real OpenLDAP server. Where the text of a test names Active Directory, the
// same is tried with Samba's elsewhere; here it is what the two have in common.

// three are Alice and Bob, who count, Bob by a group in the group, and Carl, who does not.
var three = slapdtest.Person("", "alice", "Alice", "Ames", "telephoneNumber: 0721 5000-101", "displayName: Alice Ames") +
	slapdtest.Person("", "bob", "Bob", "Bell", "telephoneNumber: +49 721 5000 102", "mobile: 0171 2345678") +
	slapdtest.Person("", "carl", "Carl", "Cole") +
	slapdtest.Group("pbx", dn("alice"), cn("inner")) + slapdtest.Group("inner", dn("bob")) + slapdtest.Group("admins", dn("alice"))

// AD-1: sync of 3 users over the tunnel; with the tunnel stopped the run fails within its limit and changes nothing.
func TestAD1SyncsOverTheTunnelAlone(t *testing.T) {
	b := newBed(t, three)
	b.refusesWithoutTheTunnel()
	b.has("")
	if r := b.sync(); r.Counts.Created != 3 || r.Server != "dc1-ldaps" {
		t.Errorf("it says %+v", r)
	}
	b.has("alice: Alice Ames 101 +497215000101", "bob: Bob Bell 102 +497215000102 +491712345678", "carl: Carl Cole")
	b.refusesWithoutTheTunnel()
}

// AD-2: LDAPS with pin, StartTLS with pin both work; a wrong pin fails; a plain bind is told to use encryption.
func TestAD2KnowsTheServerByItsPin(t *testing.T) {
	for _, c := range []struct {
		security directory.Security
		pin      string // "" for the right one
		want     directory.Code
	}{
		{directory.LDAPS, "", ""}, {directory.StartTLS, "", ""},
		{directory.LDAPS, strings.Repeat("00:", 31) + "00", directory.WrongPin}, {directory.StartTLS, strings.Repeat("0", 64), directory.WrongPin},
		{directory.None, "", directory.NeedsTLS},
	} {
		t.Run(string(c.security)+" "+string(c.want), func(t *testing.T) {
			b := newBed(t, three)
			b.set("directory.security", c.security)
			if c.pin != "" {
				b.set("directory.pins", []string{c.pin})
			}
			if _, err := b.try(false, false); directory.CodeOf(err) != c.want {
				t.Errorf("%v", err)
			}
			if c.want != "" {
				b.has("")
			}
			b.refusesWithoutTheTunnel()
		})
	}
}

// A certificate is kept at the first success where nothing says what it shall be, and another one is refused then.
func TestAD2LearnsTheCertificate(t *testing.T) {
	b := newBed(t, three)
	b.set("directory.pins", []string{})
	b.sync()
	b.sync()
	b.servers[0].Recertify()
	if _, err := b.try(false, false); directory.CodeOf(err) != directory.WrongPin || !strings.Contains(err.Error(), b.servers[0].Pin) {
		t.Errorf("another certificate: %v", err)
	}
	b.set("directory.pins", []string{b.servers[0].Pin})
	b.sync()
}

// AD-3: nested group: Bob, only in a sub-group, is imported with nesting on, not with nesting off; others never.
func TestAD3FollowsGroupsInGroups(t *testing.T) {
	b := newBed(t, three)
	b.set("who.groups", []string{cn("pbx")})
	b.set("who.nested", false)
	b.sync()
	b.has("alice: Alice Ames 101 +497215000101")
	b.set("who.nested", true)
	b.set("who.admins", cn("admins"))
	b.sync()
	b.has("alice: Alice Ames 101 +497215000101 admin", "bob: Bob Bell 102 +497215000102 +491712345678")
	b.refusesWithoutTheTunnel()
}

// AD-4: more than 1000 users of a server that gives three entries at a time: unpaged it fails with code 4, paged all come.
func TestAD4ReadsPageByPage(t *testing.T) {
	var people strings.Builder
	for i := range 1201 {
		people.WriteString(slapdtest.Person("", fmt.Sprintf("u%04d", i), "Number", fmt.Sprint(i)))
	}
	b := newBed(t, people.String())
	b.servers[0].Edit(func(l *ldap.Conn) error {
		if err := l.Bind(slapdtest.Reader, slapdtest.Password); err != nil {
			return err
		}
		if _, err := l.Search(&ldap.SearchRequest{BaseDN: slapdtest.Base, Scope: 2, Filter: "(uid=*)"}); !ldap.IsErrorWithCode(err, 4) {
			return fmt.Errorf("unpaged it answers %w", err)
		}
		return nil
	})
	if r := b.sync(); r.Counts.Created != 1201 {
		t.Errorf("it says %+v", r.Counts)
	}
	b.refusesWithoutTheTunnel()
}

// AD-5: rename, move to another OU, change of login: the same user is updated, none created.
func TestAD5KnowsWhoIsRenamedAndMoved(t *testing.T) {
	b := newBed(t, three+"dn: ou=Süd,"+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: Süd\n\n")
	b.sync()
	before := b.state().Users
	b.servers[0].Move(dn("bob"), "uid=bob", "ou=Süd,"+slapdtest.Base)
	b.servers[0].Move("uid=bob,ou=Süd,"+slapdtest.Base, "uid=robert", "")
	b.servers[0].Set("uid=robert,ou=Süd,"+slapdtest.Base, "sn", "Baker")
	b.servers[0].Set("uid=robert,ou=Süd,"+slapdtest.Base, "mail", "robert@corp.example")
	if r := b.sync(); r.Counts.Created != 0 || r.Counts.Updated != 1 || r.Counts.Unchanged != 2 {
		t.Errorf("it says %+v", r.Counts)
	}
	b.has("alice: Alice Ames 101 +497215000101", "carl: Carl Cole", "robert: Bob Baker 102 +497215000102 +491712345678")
	for i, u := range b.state().Users {
		if u.ID != before[i].ID {
			t.Errorf("user %s is another one", u.Login)
		}
	}
	b.refusesWithoutTheTunnel()
}

// AD-6: deleted in the directory: the user is marked, its numbers are released except the internal one; a protected user is
// untouched; nothing is deleted. And whoever comes back is a user again.
func TestAD6MarksWhoHasGone(t *testing.T) {
	b := newBed(t, three+slapdtest.Person("", "door", "Door", "Station", "telephoneNumber: 5000150"))
	b.set("users.alone", []string{"door"})
	b.sync()
	b.servers[0].Delete(dn("bob"))
	b.servers[0].Delete(dn("door"))
	if r := b.sync(); r.Counts.Marked != 1 {
		t.Errorf("it says %+v", r)
	}
	b.has("alice: Alice Ames 101 +497215000101", "bob: Bob Bell 102 orphaned", "carl: Carl Cole", "door: Door Station 150 +497215000150")
	b.servers[0].Edit(func(l *ldap.Conn) error {
		a := ldap.NewAddRequest(dn("bob"), nil)
		for name, v := range map[string]string{"objectClass": "inetOrgPerson", "uid": "bob", "cn": "Bob", "sn": "Bell", "givenName": "Bob", "mail": "bob@corp.example"} {
			a.Attribute(name, []string{v})
		}
		return l.Add(a)
	})
	if r := b.sync(); r.Counts.Reactivated != 1 || r.Counts.Created != 0 {
		t.Errorf("it says %+v", r)
	}
	b.has("alice: Alice Ames 101 +497215000101", "bob: Bob Bell 102", "carl: Carl Cole", "door: Door Station 150 +497215000150")
	b.refusesWithoutTheTunnel()
}

// AD-7: group emptied: the run aborts, and so does one by the safety limit, which accept overrides.
func TestAD7StopsWhereEverybodyWouldGo(t *testing.T) {
	var people, members strings.Builder
	for i := range 10 {
		people.WriteString(slapdtest.Person("", fmt.Sprintf("u%d", i), "Number", fmt.Sprint(i)))
		members.WriteString("\nmember: " + dn(fmt.Sprintf("u%d", i)))
	}
	b := newBed(t, people.String()+slapdtest.Group("pbx", strings.TrimPrefix(members.String(), "\nmember: ")))
	b.set("who.groups", []string{cn("pbx")})
	b.sync()
	before := b.users()
	b.servers[0].Set(cn("pbx"), "member", "cn=nobody,"+slapdtest.Base)
	if _, err := b.try(false, true); directory.CodeOf(err) != directory.Missing {
		t.Errorf("an empty group: %v", err)
	}
	b.servers[0].Delete(cn("pbx"))
	if _, err := b.try(false, true); directory.CodeOf(err) != directory.Missing {
		t.Errorf("no group: %v", err)
	}
	b.set("who.groups", []string{})
	b.set("who.filter", "(|(uid=u0)(uid=u1)(uid=u2))")
	var blocked *roster.Blocked
	if _, err := b.try(false, false); !errors.As(err, &blocked) || blocked.Would != 7 || blocked.Of != 10 {
		t.Errorf("most have gone: %v", err)
	}
	if b.users() != before {
		t.Error("a run that stopped changed something")
	}
	b.refusesWithoutTheTunnel()
	if r, err := b.try(false, true); err != nil || r.Counts.Marked != 7 {
		t.Errorf("accepted it is %+v, %v", r.Counts, err)
	}
}

// AD-9: the second server takes over when the first is stopped.
func TestAD9TheSecondServerTakesOver(t *testing.T) {
	b := newBed(t, "")
	b.servers = append(b.servers, slapdtest.Start(t, three))
	b.servers[0].Stop()
	b.set("directory.pins", []string{b.servers[0].Pin, b.servers[1].Pin})
	r := b.sync()
	if r.Server != "dc2-ldaps" || r.Counts.Created != 3 || r.Outcome != "partial" || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "dc1-ldaps") {
		t.Errorf("it says %+v", r)
	}
	b.refusesWithoutTheTunnel()
}

// AD-10: run twice: the second run changes nothing, in the PBX and on the disk.
func TestAD10ASecondRunChangesNothing(t *testing.T) {
	b := newBed(t, three)
	b.sync()
	before := b.files()
	r := b.sync()
	c := r.Counts
	if c.Created+c.Updated+c.Marked+c.Reactivated+c.Groups != 0 || c.Unchanged != 3 || len(r.Files) != 0 || b.files() != before {
		t.Errorf("the second run says %+v", r)
	}
	b.refusesWithoutTheTunnel()
}

// AD-11: umlauts in DN and names survive.
func TestAD11UmlautsSurvive(t *testing.T) {
	ou := "dn: ou=Büro Köln,ou=Äußeres,"
	b := newBed(t, "dn: ou=Äußeres,"+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: Äußeres\n\n"+
		ou+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: Büro Köln\n\n"+
		slapdtest.Person("ou=Büro Köln,ou=Äußeres,", "jürgen", "Jürgen", "Großmüller", "displayName: Jürgen Großmüller", "departmentNumber: Geschäftsführung")+
		slapdtest.Group("Küche", "uid=jürgen,ou=Büro Köln,ou=Äußeres,"+slapdtest.Base))
	b.set("who.groups", []string{cn("Küche")})
	b.set("directory.people", []string{"ou=Äußeres," + slapdtest.Base})
	r, err := b.try(false, false)
	if err != nil {
		t.Fatal(err)
	}
	u := b.state().Users
	if len(u) != 1 || u[0].Surname != "Großmüller" || u[0].GivenName != "Jürgen" || u[0].Department != "Geschäftsführung" || u[0].Login != "jürgen" {
		t.Errorf("it has %+v, and says %+v", u, r)
	}
	b.refusesWithoutTheTunnel()
}

// A dry run says what would change, and changes nothing.
func TestADryRunChangesNothing(t *testing.T) {
	b := newBed(t, three)
	before := b.files()
	r, err := b.try(true, false)
	if err != nil || r.Counts.Created != 3 || len(r.Items) != 3 || !r.DryRun {
		t.Errorf("it says %+v, %v", r, err)
	}
	if b.files() != before {
		t.Error("it changes the PBX")
	}
}
