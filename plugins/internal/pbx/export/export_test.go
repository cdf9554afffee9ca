package export

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

func sample() pbx.State {
	s := pbxtest.Sample()
	s.Users[1].DisplayName = `Bob "B, b"; <b> &`
	return s
}

func TestFormats(t *testing.T) {
	out, refused := Render(sample(), Formats()[:len(Formats())-1]...) // Asterisk's database holds less
	if len(refused) > 0 {
		t.Errorf("left out: %+v", refused)
	}
	want := map[string]string{
		"users.csv": `"id","login","display_name","given_name","surname","mail","company","department","title","extension","phone","fax","mobile","admin","status"
"anna","anna","Anna Müller","Anna","Müller","anna@example.com","","Sales","","101","+4972112345101","","+491701234567","yes","active"
"bob","bob","Bob ""B, b""; <b> &","","","bob@example.com","","","","102","+4972112345102","+4972112345902","","","active"
"carl","carl","carl","","","","","","","103","","","","","orphaned"
"dora","dora","dora","","","","","","","104","","","","","disabled"
`,
		"groups.csv": `"id","name","members","phone"
"sales","Sales","anna bob","+4972112345200"
`,
		"directory.json": `{"users":[
{"id":"anna","external":"8f817e55","login":"anna","given_name":"Anna","surname":"Müller","mail":"anna@example.com","department":"Sales","extension":"101","numbers":[{"e164":"+4972112345101","use":"phone"},{"e164":"+491701234567","use":"mobile"}],"admin":true,"status":"active"},
{"id":"bob","external":"8f817e56","login":"bob","display_name":"Bob \"B, b\"; \u003cb\u003e \u0026","mail":"bob@example.com","extension":"102","numbers":[{"e164":"+4972112345102","use":"phone"},{"e164":"+4972112345902","use":"fax"}],"status":"active"},
{"id":"carl","external":"8f817e57","login":"carl","extension":"103","status":"orphaned"},
{"id":"dora","external":"8f817e58","login":"dora","extension":"104","status":"disabled"}],"groups":[
{"id":"sales","external":"","name":"Sales","members":["anna","bob"],"numbers":[{"e164":"+4972112345200","use":"phone"}]}]}
`,
		"phonebook.csv": `"display_name","company","department","extension","phone","mobile","fax"
"Anna Müller","","Sales","101","+4972112345101","+491701234567",""
"Bob ""B, b""; <b> &","","","102","+4972112345102","","+4972112345902"
`,
		"phonebook.xml": xml.Header + `<PhoneDirectory>
 <DirectoryEntry><Name>Anna Müller</Name><Telephone>101</Telephone><Telephone>+4972112345101</Telephone><Telephone>+491701234567</Telephone></DirectoryEntry>
 <DirectoryEntry><Name>Bob &#34;B, b&#34;; &lt;b&gt; &amp;</Name><Telephone>102</Telephone><Telephone>+4972112345102</Telephone></DirectoryEntry>
</PhoneDirectory>
`,
		"phonebook.ldif": `dn: uid=anna,ou=phonebook
objectClass: inetOrgPerson
uid: anna
cn:: QW5uYSBNw7xsbGVy
sn:: TcO8bGxlcg==
givenName: Anna
mail: anna@example.com
ou: Sales
telephoneNumber: 101
telephoneNumber: +4972112345101
mobile: +491701234567

dn: uid=bob,ou=phonebook
objectClass: inetOrgPerson
uid: bob
cn: Bob "B, b"; <b> &
sn: Bob "B, b"; <b> &
mail: bob@example.com
telephoneNumber: 102
telephoneNumber: +4972112345102
facsimileTelephoneNumber: +4972112345902
`,
		"freepbx-users.csv": `"username","default_extension","displayname","fname","lname","title","company","department","email","cell","work","fax"
"anna","101","Anna Müller","Anna","Müller","","","Sales","anna@example.com","+491701234567","+4972112345101",""
"bob","102","Bob ""B, b""; <b> &","","","","","","bob@example.com","","+4972112345102","+4972112345902"
"carl","103","carl","","","","","","","","",""
"dora","104","dora","","","","","","","","",""
`,
		"freepbx-extensions.csv": `"extension","name"
"101","Anna Müller"
"102","Bob ""B, b""; <b> &"
"103","carl"
`,
	}
	for _, f := range out {
		if got := strings.ReplaceAll(string(f.Data), "\r\n", "\n"); got != want[f.Name] && got != strings.ReplaceAll(want[f.Name], `"external":"",`, "") {
			t.Errorf("%s is\n%s", f.Name, got)
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("not written: %v", want)
	}
}

// check reads every format back and compares it with the state, but for what was said to be left out.
func check(t *testing.T, s pbx.State) {
	t.Helper()
	out, refused := Render(s, Formats()...)
	leftOut := map[string]bool{}
	for _, r := range refused {
		file, _, _ := strings.Cut(r.Finding.Message, ":")
		leftOut[strings.Join([]string{file, string(r.User), string(r.Group), r.Finding.Field}, "|")] = true
	}
	for _, f := range out {
		switch f.Name {
		case "users.csv":
			checkTable(t, f.Data, s, leftOut)
		case "directory.json":
			checkDocument(t, f.Data, s)
		case "phonebook.xml":
			checkXML(t, f.Data, s)
		case "phonebook.ldif":
			checkLDIF(t, f.Data, s)
		case "groups.csv":
			checkGroups(t, f.Data, s, leftOut)
		case "astdb.txt":
			checkDatabase(t, f.Data, s, leftOut)
		default:
			if rows, err := csv.NewReader(bytes.NewReader(f.Data)).ReadAll(); err != nil || len(rows) == 0 || slices.ContainsFunc(slices.Concat(rows...), formula) {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	}
}

// formula: the numbers that begin with a plus sign are digits otherwise.
func formula(cell string) bool {
	return cell != "" && strings.ContainsRune("=+-@|%\t\r", rune(cell[0])) && strings.Trim(cell, "+0123456789 ") != ""
}

func checkTable(t *testing.T, data []byte, s pbx.State, leftOut map[string]bool) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) != len(s.Users)+1 {
		t.Fatalf("users.csv: %d rows for %d users, %v", len(rows), len(s.Users), err)
	}
	for i, u := range s.Users {
		want := []string{string(u.ID), u.Login, u.Name(), u.GivenName, u.Surname, u.Mail, u.Company, u.Department, u.Title, u.Extension}
		for j, v := range want {
			got := rows[i+1][j]
			if leftOut["users.csv|"+string(u.ID)+"||"+rows[0][j]] {
				v = ""
			}
			if got != v || formula(got) {
				t.Errorf("users.csv: %s of %s is %q, not %q", rows[0][j], u.ID, got, v)
			}
		}
	}
}

func checkGroups(t *testing.T, data []byte, s pbx.State, leftOut map[string]bool) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) != len(s.Groups)+1 {
		t.Fatalf("groups.csv: %d rows for %d groups, %v", len(rows), len(s.Groups), err)
	}
	for i, g := range s.Groups {
		want := g.Name
		if leftOut["groups.csv||"+string(g.ID)+"|name"] {
			want = ""
		}
		if got := rows[i+1][1]; got != want || formula(got) {
			t.Errorf("groups.csv: the name of %s is %q, not %q", g.ID, got, want)
		}
	}
}

func checkDocument(t *testing.T, data []byte, s pbx.State) {
	var got struct {
		Users  []pbx.User
		Groups []pbx.Group
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if p := pbx.Diff(pbx.State{Users: got.Users, Groups: got.Groups}, s); !p.Empty() || len(got.Users) != len(s.Users) {
		t.Errorf("directory.json differs: %+v", p.Steps)
	}
}

func checkXML(t *testing.T, data []byte, s pbx.State) {
	var got struct {
		XMLName        xml.Name `xml:"PhoneDirectory"`
		DirectoryEntry []struct {
			Name      string
			Telephone []string
		}
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	users := listed(s)
	if len(got.DirectoryEntry) != len(users) {
		t.Fatalf("phonebook.xml: %d entries for %d users", len(got.DirectoryEntry), len(users))
	}
	for i, u := range users {
		if e := got.DirectoryEntry[i]; e.Name != u.Name() || e.Telephone[0] != u.Extension && u.Extension != "" {
			t.Errorf("phonebook.xml: %q, not %q", e.Name, u.Name())
		}
	}
}

func checkLDIF(t *testing.T, data []byte, s pbx.State) {
	users, entries := listed(s), parseLDIF(t, string(data))
	if len(entries) != len(users) {
		t.Fatalf("phonebook.ldif: %d entries for %d users", len(entries), len(users))
	}
	for i, u := range users {
		for name, want := range map[string]string{"dn": "uid=" + string(u.ID) + ",ou=phonebook", "cn": u.Name(), "givenName": u.GivenName, "mail": u.Mail,
			"o": u.Company, "ou": u.Department, "title": u.Title, "objectClass": "inetOrgPerson"} {
			if got := strings.Join(entries[i][name], "|"); got != want {
				t.Errorf("phonebook.ldif: %s of %s is %q, not %q", name, u.ID, got, want)
			}
		}
	}
}

// parseLDIF reads it as RFC 2849 says: records apart by empty lines, lines that begin with a space go on, :: is base64.
func parseLDIF(t *testing.T, text string) (entries []map[string][]string) {
	for record := range strings.SplitSeq(strings.ReplaceAll(text, "\n ", ""), "\n\n") {
		e := map[string][]string{}
		for l := range strings.SplitSeq(strings.TrimSuffix(record, "\n"), "\n") {
			name, value, ok := strings.Cut(l, ":")
			if l == "" {
				continue
			}
			switch {
			case !ok || strings.HasPrefix(value, "<"):
				t.Fatalf("phonebook.ldif has a line %q", l)
			case strings.HasPrefix(l, "#"):
				continue
			case strings.HasPrefix(value, ":"):
				b, err := base64.StdEncoding.DecodeString(strings.TrimLeft(value[1:], " "))
				if err != nil {
					t.Fatal(err)
				}
				value = string(b)
			default:
				value = strings.TrimLeft(value, " ")
			}
			e[name] = append(e[name], value)
		}
		if len(e) > 0 {
			entries = append(entries, e)
		}
	}
	return entries
}

func TestHostileTextHasNoEffect(t *testing.T) {
	s, _ := pbxtest.HostileState()
	check(t, s)
}

// The LDAP server of Debian reads the phonebook and gives back the same people.
func TestSlapdReadsThePhonebook(t *testing.T) {
	slapd, err := exec.LookPath("/usr/sbin/slapd")
	if err != nil {
		t.Skip("no slapd is installed")
	}
	dir := t.TempDir()
	s, _ := pbxtest.HostileState()
	out, _ := Render(s, LDIF)
	conf := "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n" +
		"modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix ou=phonebook\ndirectory " + dir + "\n"
	root := "dn: ou=phonebook\nobjectClass: organizationalUnit\nou: phonebook\n\n"
	ldif := root + string(out[0].Data)
	for name, text := range map[string]string{"slapd.conf": conf, "in.ldif": ldif} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(as string, args ...string) []byte {
		cmd := exec.Command(slapd, append([]string{"-f", filepath.Join(dir, "slapd.conf")}, args...)...)
		cmd.Args[0] = as
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", as, err, said.String())
		}
		return out
	}
	run("slapadd", "-q", "-l", filepath.Join(dir, "in.ldif"))
	people := parseLDIF(t, string(run("slapcat", "-a", "(objectClass=inetOrgPerson)")))
	users := listed(s)
	if len(people) != len(users) {
		t.Fatalf("%d people for %d users", len(people), len(users))
	}
	byID := map[string]map[string][]string{}
	for _, p := range people {
		byID[p["uid"][0]] = p
	}
	for _, u := range users {
		if got := byID[string(u.ID)]["cn"]; len(got) != 1 || got[0] != u.Name() {
			t.Errorf("%s is called %q, not %q", u.ID, got, u.Name())
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, h := range pbxtest.Hostile() {
		f.Add(h, "a@b")
	}
	f.Fuzz(func(t *testing.T, text, mail string) {
		u, _, ok := pbx.User{ID: "one", Login: "one", External: text, GivenName: text, Surname: text, DisplayName: text, Mail: mail, Company: text,
			Department: text, Title: text, Extension: "101", Status: pbx.Active}.Fit()
		if !ok {
			t.Fatal("nothing of the user is fit")
		}
		s := pbx.State{Users: []pbx.User{u, {ID: "two", Login: "two", Extension: "102", Status: pbx.Active}}}
		if g := (pbx.Group{ID: "g", Name: text}); len(g.Check()) == 0 {
			s.Groups = []pbx.Group{g}
		}
		check(t, s)
	})
}
