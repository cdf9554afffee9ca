package export

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// document is everything as JSON, one user or group a line.
func document(_ *sheet, s pbx.State) []files.File {
	var b bytes.Buffer
	b.WriteString(`{"users":[`)
	lines(&b, s.Users)
	b.WriteString(`],"groups":[`)
	lines(&b, s.Groups)
	b.WriteString("]}\n")
	return []files.File{{Name: "directory.json", Data: b.Bytes()}}
}

func lines[T any](b *bytes.Buffer, all []T) {
	for i, one := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		line, _ := json.Marshal(one) // users and groups always have a JSON form
		b.Write(line)
	}
}

// telephones is the phonebook that most makers of telephones read in one form or another.
func telephones(_ *sheet, s pbx.State) []files.File {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<PhoneDirectory>\n")
	for _, u := range listed(s) {
		b.WriteString(" <DirectoryEntry><Name>" + inXML(u.Name()) + "</Name>")
		for _, n := range append([]string{u.Extension}, append(of(u.Numbers, pbx.Phone), of(u.Numbers, pbx.Mobile)...)...) {
			if n != "" {
				b.WriteString("<Telephone>" + inXML(n) + "</Telephone>")
			}
		}
		b.WriteString("</DirectoryEntry>\n")
	}
	b.WriteString("</PhoneDirectory>\n")
	return []files.File{{Name: "phonebook.xml", Data: b.Bytes()}}
}

func inXML(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck // a builder takes everything
	return b.String()
}

// people is the phonebook for an LDAP server of the PBX's own. Names of entries are made of IDs alone. There is no line
// that says the version, which slapadd takes for an attribute.
func people(_ *sheet, s pbx.State) []files.File {
	var b bytes.Buffer
	for i, u := range listed(s) {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "dn: uid=%s,ou=phonebook\nobjectClass: inetOrgPerson\nuid: %s\n", u.ID, u.ID)
		surname := u.Surname
		if surname == "" {
			surname = u.Name() // the class wants one
		}
		attribute(&b, "cn", u.Name())
		attribute(&b, "sn", surname)
		attribute(&b, "givenName", u.GivenName)
		attribute(&b, "mail", u.Mail)
		attribute(&b, "o", u.Company)
		attribute(&b, "ou", u.Department)
		attribute(&b, "title", u.Title)
		attribute(&b, "telephoneNumber", append([]string{u.Extension}, of(u.Numbers, pbx.Phone)...)...)
		attribute(&b, "mobile", of(u.Numbers, pbx.Mobile)...)
		attribute(&b, "facsimileTelephoneNumber", of(u.Numbers, pbx.Fax)...)
	}
	return []files.File{{Name: "phonebook.ldif", Data: b.Bytes()}}
}

// attribute writes values as they are where LDIF reads them so, else in base64.
func attribute(b *bytes.Buffer, name string, values ...string) {
	for _, v := range values {
		switch {
		case v == "":
		case plain(v):
			fmt.Fprintf(b, "%s: %s\n", name, v)
		default:
			fmt.Fprintf(b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(v)))
		}
	}
}

// plain is SAFE-STRING of RFC 2849, short enough for one line, and without a space at its end.
func plain(s string) bool {
	return len(s) <= 60 && !strings.ContainsRune(" :<", rune(s[0])) && s[len(s)-1] != ' ' &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
