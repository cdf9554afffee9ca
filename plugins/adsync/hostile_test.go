package main

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

// hostile are texts that mean something to somebody: to a filter, a DN, a spreadsheet, a terminal, a dial plan, a shell, a
// file system, markup, or to whoever reads from right to left.
func hostile() (all []string) {
	base := []string{
		"*", ")(", "*)(uid=*", "alice)(|(uid=*", "(&(a=b))", `\2a`, `\00`, "a\x00b", "\x00", "cn=x,dc=y", `a\,b+c"d<e>f;g=h#i`, " lead", "trail ", "#sharp",
		`=1+1`, "=HYPERLINK(\"http://x\")", "+49 721 5000 7", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=cmd|'/C calc'!A0", `","evil","`, `"`, `""`, "a;b;c", "a,b,c", "a|b", "'",
		"a\nb", "a\r\nb", "\r\nInjected: yes", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "\n\ndn: cn=evil\n", "\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "\b\b\b", "\x7f",
		"\u202egnp.exe", "\u2066x\u2069", "\u200b", "\ufeffbom", "\ufffd", "\xff\xfe", "\xc3\x28", "\xed\xa0\x80", "e\u0301", "ＡＢＣ", "İı", "ß", "👩‍👩‍👧", strings.Repeat("ü", 5000), strings.Repeat("a", 70_000),
		"../../etc/passwd", "/etc/shadow", `..\..\x`, "a/b", "NUL", "$(reboot)", "`reboot`", ";reboot", "&& reboot", "%n%s%x", "{{.}}", "${jndi:ldap://x}",
		"<script>alert(1)</script>", "]]>", "<!ENTITY x SYSTEM 'file:///etc/passwd'>", "&lt;", "--><x>", "' OR 1=1 --", "\"; DROP TABLE users; --",
		"exten => _X.,1,System(reboot)", "[globals]", "#include x", "#exec x", "same => n,Hangup", "secret=x", "110", "112", "+49110", "0900123456", "null", "true", "__proto__",
	}
	for _, s := range base {
		all = append(all, s, "x"+s, s+"x", s+s, "Jo "+s+" Doe")
	}
	return all
}

func b64(attribute, value string) string {
	return attribute + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
}

// fields is everything of a person that becomes text somewhere, but for the login.
var hostileFields = []string{"givenName", "sn", "displayName", "mail", "title", "o", "departmentNumber", "telephoneNumber", "mobile", "facsimileTelephoneNumber", "employeeNumber"}

// hostilePeople have every text in every field, one after the other in one person each; and in the login.
func hostilePeople(texts []string) string {
	var b strings.Builder
	for i, s := range texts {
		fmt.Fprintf(&b, "dn: cn=f%d,%s\nobjectClass: inetOrgPerson\ncn: f%[1]d\nuid: f%[1]d\n", i, slapdtest.Base)
		for _, f := range hostileFields {
			fmt.Fprintln(&b, b64(f, s))
		}
		fmt.Fprintf(&b, "\ndn: cn=l%d,%s\nobjectClass: inetOrgPerson\ncn: l%[1]d\nsn: Login\n%[3]s\n\n", i, slapdtest.Base, b64("uid", s))
	}
	return b.String()
}

// Hostile texts in every field have no effect but in their own place: in no file, in no report, and on nobody else.
func TestHostileTextsHaveNoEffect(t *testing.T) {
	texts := slices.DeleteFunc(hostile(), func(s string) bool { return !utf8.ValidString(s) }) // which no server would keep
	if len(texts) < 400 {
		t.Fatalf("there are %d texts only", len(texts))
	}
	b := newBed(t, three+hostilePeople(texts))
	b.set("attributes.extension", "employeeNumber")
	b.set("pbx.formats", []string{"csv", "json", "phonebook", "xml", "ldif", "freepbx", "astdb"})
	b.set("who.ignore", []string{"x"})
	r, err := b.try(false, true)
	if err != nil {
		t.Fatal(err)
	}
	state := b.state()
	if fs := state.Check(); len(fs) > 0 {
		t.Errorf("the PBX has what it should not: %v", fs)
	}
	if r.Counts.Created != len(state.Users) || r.Counts.Created < len(texts) {
		t.Errorf("%d users, and it says %+v", len(state.Users), r.Counts)
	}
	for _, u := range state.Users {
		if u.Login == "alice" && (u.Extension != "101" || u.Surname != "Ames") || u.Admin {
			t.Errorf("somebody else's text changed %+v", u)
		}
	}
	b.onlyFiles(t)
	b.readsBack(t, len(state.Users))
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(r.shown().Shown())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{string(text), string(shown)} {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatal(err)
		}
		plain(t, "the report", v)
	}
}

// onlyFiles: nothing was written anywhere but where it belongs.
func (b *bed) onlyFiles(t *testing.T) {
	t.Helper()
	want := []string{"astdb.txt", "directory.json", "freepbx-extensions.csv", "freepbx-users.csv", "groups.csv", "phonebook.csv", "phonebook.ldif", "phonebook.xml", "users.csv"}
	var got []string
	entries, err := os.ReadDir(filepath.Join(b.dir, ownFiles))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the files are %q", got)
	}
}

// readsBack reads every file as a program would.
func (b *bed) readsBack(t *testing.T, users int) {
	t.Helper()
	open := func(name string) string {
		text, err := os.ReadFile(filepath.Join(b.dir, ownFiles, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, name := range []string{"users.csv", "phonebook.csv", "freepbx-users.csv", "freepbx-extensions.csv"} {
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(open(name), "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "users.csv" && len(rows) != users+1 {
			t.Errorf("%s has %d rows for %d users", name, len(rows), users)
		}
		for _, row := range rows {
			for _, cell := range row {
				plain(t, name, cell)
				if cell != "" && strings.ContainsRune("=@-", rune(cell[0])) || strings.HasPrefix(cell, "+") && strings.Trim(cell, "+0123456789 ") != "" {
					t.Errorf("%s: a spreadsheet would work out %.40q", name, cell)
				}
			}
		}
	}
	var doc struct{ Users []any }
	if err := json.Unmarshal([]byte(open("directory.json")), &doc); err != nil || len(doc.Users) != users {
		t.Errorf("directory.json has %d users, %v", len(doc.Users), err)
	}
	plain(t, "directory.json", doc.Users)
	for d := xml.NewDecoder(strings.NewReader(open("phonebook.xml"))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("phonebook.xml: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"PhoneDirectory", "DirectoryEntry", "Name", "Telephone"}, e.Name.Local) {
			t.Errorf("phonebook.xml has an element %s", e.Name.Local)
		}
	}
	for line := range strings.Lines(open("phonebook.ldif")) {
		if strings.HasPrefix(line, "dn:") && strings.Contains(line, "evil") {
			t.Errorf("phonebook.ldif has an entry %q", line)
		}
	}
}

// plain: every text is one printable line.
func plain(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
			t.Errorf("%s has a text %.60q", where, v)
		}
	case []any:
		for _, e := range v {
			plain(t, where, e)
		}
	case map[string]any:
		for key, e := range v {
			plain(t, where, key)
			plain(t, where, e)
		}
	}
}

// Hostile names log nobody in, and ask the directory for nobody else.
func TestHostileLoginsAreNobody(t *testing.T) {
	b := newBed(t, three)
	s := b.settings()
	for i, text := range hostile() {
		if i%5 != 0 || len(text) > 300 {
			continue
		}
		_, err := directory.Verify(t.Context(), s.config(), b.ends(s), s.selection(), s.meant(s.have(b.dir), new(pbx.User)), text, slapdtest.Password)
		if directory.CodeOf(err) != directory.Wrong {
			t.Errorf("%q: %v", text, err)
		}
	}
}
