package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

func sortStrings(s []string) { slices.Sort(s) }

// A company: Alice leads, Bob is in a group in the group, Carl in none, and Dörte has every attribute.
var company = "dn: ou=Büro," + slapdtest.Base + "\nobjectClass: organizationalUnit\nou: Büro\n\n" +
	slapdtest.Person("", "alice", "Alice", "Ames", "telephoneNumber: +49 721 10", "telephoneNumber: +49 721 11", "mobile: 0171 1") +
	slapdtest.Person("", "bob", "Bob", "Bell") +
	slapdtest.Person("", "carl", "Carl", "Cole") +
	slapdtest.Person("ou=Büro,", "doerte", "Dörte", "Müßig", "facsimileTelephoneNumber: 0721 99", "displayName: Dr. Dörte Müßig", "title: Chefin", "o: Corp", "departmentNumber: 7") +
	slapdtest.Group("pbx", dn("alice"), "uid=doerte,ou=Büro,"+slapdtest.Base, cn("inner")) +
	slapdtest.Group("inner", dn("bob"), cn("pbx")) + // and they hold each other
	slapdtest.Group("admins", dn("alice"))

func TestReadsWhoCounts(t *testing.T) {
	s := slapdtest.Start(t, company)
	for _, c := range []struct {
		name string
		s    directory.Selection
		want string
	}{
		{"everybody", directory.Selection{}, "alice bob carl doerte"},
		{"a group", directory.Selection{Groups: []string{cn("pbx")}}, "alice doerte"},
		{"with the groups in it", directory.Selection{Groups: []string{cn("pbx")}, Nested: true}, "alice bob doerte"},
		{"written otherwise", directory.Selection{Groups: []string{"CN=PBX, DC=Corp,dc=example"}}, "alice doerte"},
		{"two groups", directory.Selection{Groups: []string{cn("inner"), cn("admins")}}, "alice bob"},
		{"admins too", directory.Selection{Groups: []string{cn("inner")}, Admins: cn("admins")}, "alice! bob"},
		{"a filter", directory.Selection{Filter: "(sn=B*)"}, "bob"},
		{"groups told", directory.Selection{Mapped: map[string]string{"sales": cn("inner"), "all": cn("pbx")}, Nested: true},
			"alice[all sales] bob[all sales] carl doerte[all sales]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := open(t, pinned(s), at("dc1", s.Secure)).Read(t.Context(), c.s)
			if err != nil {
				t.Fatal(err)
			}
			if got := logins(r); got != c.want {
				t.Errorf("it reads %q, want %q", got, c.want)
			}
		})
	}
}

func TestReadsEveryAttribute(t *testing.T) {
	s := slapdtest.Start(t, company)
	r, err := open(t, pinned(s), at("dc1", s.Secure)).Read(t.Context(), directory.Selection{Filter: "(uid=doerte)"})
	if err != nil {
		t.Fatal(err)
	}
	p := r.People[0]
	if len(p.ID) != 36 || p.DN != "uid=doerte,ou=Büro,"+slapdtest.Base {
		t.Errorf("it is %q at %q", p.ID, p.DN)
	}
	got := []string{p.Login, p.Given, p.Surname, p.Display, p.Mail, p.Title, p.Company, p.Department}
	want := []string{"doerte", "Dörte", "Müßig", "Dr. Dörte Müßig", "doerte@corp.example", "Chefin", "Corp", "7"}
	if !slices.Equal(got, want) || !slices.Equal(p.Faxes, []directory.Number{{Attribute: "facsimileTelephoneNumber", Text: "0721 99"}}) {
		t.Errorf("it reads %q and %v", got, p.Faxes)
	}
}

func TestAnswersThatAreNotWholeAreErrors(t *testing.T) {
	s := slapdtest.Start(t, company+slapdtest.Group("empty", "cn=nobody,dc=other"))
	conn := open(t, pinned(s), at("dc1", s.Secure))
	for name, sel := range map[string]directory.Selection{
		"a group that is not there":   {Groups: []string{cn("gone")}},
		"a group without people":      {Groups: []string{cn("empty")}},
		"one of two without people":   {Groups: []string{cn("pbx"), cn("empty")}},
		"one without, with admins":    {Groups: []string{cn("empty")}, Admins: cn("admins")},
		"one whom the filter empties": {Groups: []string{cn("pbx"), cn("inner")}, Filter: "(!(uid=bob))"},
		"a base that is no group":     {Groups: []string{slapdtest.Base}},
		"nobody passes the filter":    {Filter: "(uid=nobody)"},
		"admins that are not there":   {Admins: cn("gone")},
		"a mapped group not there":    {Mapped: map[string]string{"sales": cn("gone")}},
		"a group that is no DN":       {Groups: []string{"pbx)(uid=*"}},
	} {
		if _, err := conn.Read(t.Context(), sel); directory.CodeOf(err) != directory.Missing {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := conn.Read(t.Context(), directory.Selection{Filter: "(uid=*"}); err == nil {
		t.Error("half a filter is taken")
	}
}

// The server gives three entries and no more, unless it is asked page by page.
func TestReadsMoreThanTheServerGivesAtATime(t *testing.T) {
	var people strings.Builder
	for i := range 1203 {
		people.WriteString(slapdtest.Person("", fmt.Sprintf("u%04d", i), "Number", fmt.Sprint(i)))
	}
	s := slapdtest.Start(t, people.String())
	s.Edit(func(l *ldap.Conn) error {
		if err := l.Bind(slapdtest.Reader, slapdtest.Password); err != nil {
			return err
		}
		_, err := l.Search(&ldap.SearchRequest{BaseDN: slapdtest.Base, Scope: ldap.ScopeWholeSubtree, Filter: "(uid=*)"})
		if !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
			t.Errorf("unpaged it answers %v", err)
		}
		return nil
	})
	r, err := open(t, pinned(s), at("dc1", s.Secure)).Read(t.Context(), directory.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.People) != 1203 {
		t.Errorf("it reads %d people", len(r.People))
	}
}

func TestKnowsTheServerByItsCertificate(t *testing.T) {
	s := slapdtest.Start(t, company)
	other := strings.Repeat("0", 64)
	for _, security := range []directory.Security{directory.LDAPS, directory.StartTLS} {
		port := map[directory.Security]int{directory.LDAPS: s.Secure, directory.StartTLS: s.Plain}[security]
		for _, c := range []struct {
			name  string
			trust directory.Trust
			want  directory.Code
		}{
			{"by its pin", directory.Trust{Pins: []string{other, s.Pin}}, ""},
			{"by its name", directory.Trust{Name: slapdtest.Host, CA: s.CA}, ""},
			{"another pin", directory.Trust{Pins: []string{other}}, directory.WrongPin},
			{"a pin goes before a name", directory.Trust{Pins: []string{other}, Name: slapdtest.Host, CA: s.CA}, directory.WrongPin},
			{"another name", directory.Trust{Name: "dc2.corp.example", CA: s.CA}, directory.WrongName},
			{"the address it is dialled at", directory.Trust{Name: "127.0.0.1", CA: s.CA}, directory.WrongName},
			{"nobody vouches for it", directory.Trust{Name: slapdtest.Host}, directory.TLS},
			{"nothing to know it by", directory.Trust{}, directory.TLS},
			{"no certificates", directory.Trust{Name: slapdtest.Host, CA: "nonsense"}, directory.TLS},
		} {
			t.Run(string(security)+" "+c.name, func(t *testing.T) {
				config := pinned(s)
				config.Security, config.Trust = security, c.trust
				conn, err := directory.Open(t.Context(), config, []directory.Server{at("dc1", port)}, nil)
				if err == nil {
					if conn.Pin != s.Pin {
						t.Errorf("it says the pin is %s", conn.Pin)
					}
					conn.Close()
				}
				if directory.CodeOf(err) != c.want {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

func TestLearnsACertificateOnce(t *testing.T) {
	s := slapdtest.Start(t, company)
	var learned []string
	c := pinned(s)
	c.Trust = directory.Trust{Learn: func(server, pin string) error {
		learned = append(learned, server+" "+pin)
		return nil
	}}
	open(t, c, at("dc1", s.Secure))
	if want := []string{"dc1 " + s.Pin}; !slices.Equal(learned, want) {
		t.Errorf("it learns %q", learned)
	}
	c.Trust.Learn = func(string, string) error { return errors.New("another one") }
	if _, err := directory.Open(t.Context(), c, []directory.Server{at("dc1", s.Secure)}, nil); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("a certificate that was not learned: %v", err)
	}
}

func TestTheNextServerTakesOver(t *testing.T) {
	s := slapdtest.Start(t, company)
	down := slapdtest.Start(t, "")
	down.Stop()
	var skipped []string
	servers := []directory.Server{at("dc1", down.Secure), at("dc2", s.Secure)}
	conn, err := directory.Open(t.Context(), pinned(s), servers, func(server string, err error) { skipped = append(skipped, server) })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Server != "dc2" || !slices.Equal(skipped, []string{"dc1"}) {
		t.Errorf("%s answers, %q were skipped", conn.Server, skipped)
	}
	if _, err := directory.Open(t.Context(), pinned(s), servers[:1], nil); directory.CodeOf(err) != directory.Unreachable {
		t.Errorf("without another: %v", err)
	}
	c := pinned(s)
	c.Password = "wrong"
	if _, err := directory.Open(t.Context(), c, []directory.Server{at("dc1", s.Secure), at("dc2", s.Secure)}, func(string, error) { t.Error("a wrong password is tried twice") }); directory.CodeOf(err) != directory.Wrong {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	s := slapdtest.Start(t, company)
	for _, c := range []struct {
		name string
		edit func(*directory.Config)
		port int
		want directory.Code
	}{
		{"no user", func(c *directory.Config) { c.User = "" }, s.Secure, directory.Wrong},
		{"no password", func(c *directory.Config) { c.Password = "" }, s.Secure, directory.EmptyWord},
		{"in the clear", func(c *directory.Config) { c.Security = directory.None }, s.Plain, directory.NeedsTLS},
		{"nobody of that name", func(c *directory.Config) { c.User = cn("nobody") }, s.Secure, directory.Wrong},
		{"no DN", func(c *directory.Config) { c.User = "reader" }, s.Secure, directory.Wrong},
		{"LDAPS at the port for StartTLS", func(*directory.Config) {}, s.Plain, directory.Unreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := pinned(s)
			c.edit(&config)
			if _, err := directory.Open(t.Context(), config, []directory.Server{at("dc1", c.port)}, nil); directory.CodeOf(err) != c.want {
				t.Errorf("%v, code %q", err, directory.CodeOf(err))
			}
		})
	}
}

// A run that is stopped leaves nothing behind.
func TestEndsWithItsContext(t *testing.T) {
	s := slapdtest.Start(t, company)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	conn, err := directory.Open(ctx, pinned(s), []directory.Server{at("dc1", s.Secure)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := conn.Read(ctx, directory.Selection{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it reads after its end: %v", err)
	}
	conn.Close()
}

// A server that goes away in the middle has given no answer at all.
func TestHalfAnAnswerIsNone(t *testing.T) {
	s := slapdtest.Start(t, company)
	conn := open(t, pinned(s), at("dc1", s.Secure))
	s.Stop()
	if _, err := conn.Read(t.Context(), directory.Selection{}); directory.CodeOf(err) != directory.Cut && directory.CodeOf(err) != directory.Refused {
		t.Errorf("%v", err)
	}
}

// Who reads that nobody counts reads which setting it is, and whether it is the group or the filter.
func TestNamesTheSettingThatNobodyCountsBy(t *testing.T) {
	s := slapdtest.Start(t, company+slapdtest.Group("empty", "cn=nobody,dc=other"))
	conn := open(t, pinned(s), at("dc1", s.Secure))
	const mend, filled = "check who.filter, which is (sn=X*): culvert config show adsync/one", "put people into it"
	for _, c := range []struct {
		s            directory.Selection
		says, remedy string
	}{
		{directory.Selection{Groups: []string{cn("pbx"), cn("gone")}}, "who.groups[1]: " + cn("gone") + " is not in the directory", "check how it is written"},
		{directory.Selection{Admins: cn("gone")}, "who.admins: " + cn("gone"), "check how it is written"},
		{directory.Selection{Mapped: map[string]string{"sales": cn("gone")}}, "groups.sales: " + cn("gone"), "check how it is written"},
		{directory.Selection{Groups: []string{cn("pbx")}, Nested: true, Filter: "(sn=X*)"}, "nobody in the group " + cn("pbx") + " (who.groups[0]) passes who.filter", mend},
		{directory.Selection{Groups: []string{cn("empty")}, Filter: "(sn=X*)"}, "the group " + cn("empty") + " (who.groups[0]) has nobody who counts", filled},
		{directory.Selection{Groups: []string{cn("empty")}}, "the group " + cn("empty") + " (who.groups[0]) has nobody who counts", filled},
		{directory.Selection{Filter: "(sn=X*)"}, "nobody in the directory passes who.filter", mend},
	} {
		_, err := conn.Read(t.Context(), c.s)
		var e *directory.Error
		if !errors.As(err, &e) || e.Code != directory.Missing || !strings.HasPrefix(e.Message, c.says) || !strings.HasPrefix(e.For("adsync/one"), c.remedy) {
			t.Errorf("%+v: %v, remedy %q", c.s, err, e.For("adsync/one"))
		}
	}
}

// What is wrong with a filter is said, and never another filter in its place.
func TestHalfAFilterIsNone(t *testing.T) {
	s := slapdtest.Start(t, company)
	conn := open(t, pinned(s), at("dc1", s.Secure))
	for filter, says := range map[string]string{
		"(sn=*": "unexpected end of filter", "sn=A*": "does not start with an '('", "(sn=A*)(uid=*)": "extra at end", "(&(sn=A*)": "unexpected end of filter",
	} {
		_, err := conn.Read(t.Context(), directory.Selection{Filter: filter})
		var e *directory.Error
		if !errors.As(err, &e) || e.Code != directory.Unacceptable || !strings.Contains(e.Message, says) || e.For("adsync/one") != "mend who.filter: culvert config show adsync/one" {
			t.Errorf("%s: %v, %+v", filter, err, e)
		}
	}
	for _, filter := range []string{"", "(sn=*)", "(&(sn=A*)(!(uid=*)))", "(memberOf:1.2.840.113556.1.4.1941:=cn=x,dc=y)"} {
		if err := directory.CheckFilter(filter); err != nil {
			t.Errorf("%s: %v", filter, err)
		}
	}
}
