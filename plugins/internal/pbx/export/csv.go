package export

import (
	"bytes"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// column is one of a table of users: how it is called, and what it holds. Field is the JSON name of that for refusals; a
// column without one holds what cannot be hostile: numbers, IDs, words of ours.
type column struct {
	title, field string
	value        func(pbx.User) string
}

var (
	columnID        = column{"id", "", func(u pbx.User) string { return string(u.ID) }}
	columnLogin     = column{"login", "login", func(u pbx.User) string { return u.Login }}
	columnName      = column{"display_name", "display_name", pbx.User.Name}
	columnGiven     = column{"given_name", "given_name", func(u pbx.User) string { return u.GivenName }}
	columnSurname   = column{"surname", "surname", func(u pbx.User) string { return u.Surname }}
	columnMail      = column{"mail", "mail", func(u pbx.User) string { return u.Mail }}
	columnCompany   = column{"company", "company", func(u pbx.User) string { return u.Company }}
	columnDepart    = column{"department", "department", func(u pbx.User) string { return u.Department }}
	columnJob       = column{"title", "title", func(u pbx.User) string { return u.Title }}
	columnExtension = column{"extension", "", func(u pbx.User) string { return u.Extension }}
	columnPhones    = column{"phone", "", func(u pbx.User) string { return strings.Join(of(u.Numbers, pbx.Phone), " ") }}
	columnFaxes     = column{"fax", "", func(u pbx.User) string { return strings.Join(of(u.Numbers, pbx.Fax), " ") }}
	columnMobiles   = column{"mobile", "", func(u pbx.User) string { return strings.Join(of(u.Numbers, pbx.Mobile), " ") }}
	columnAdmin     = column{"admin", "", func(u pbx.User) string { return yes(u.Admin) }}
	columnStatus    = column{"status", "", func(u pbx.User) string { return string(u.Status) }}
	columnPhone     = column{"phone", "", func(u pbx.User) string { return first(of(u.Numbers, pbx.Phone)) }}
	columnFax       = column{"fax", "", func(u pbx.User) string { return first(of(u.Numbers, pbx.Fax)) }}
	columnMobile    = column{"mobile", "", func(u pbx.User) string { return first(of(u.Numbers, pbx.Mobile)) }}
)

func (c column) titled(title string) column {
	c.title = title
	return c
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// whole are tables of everything.
func whole(sh *sheet, s pbx.State) []files.File {
	users := sh.table("users.csv", s.Users, columnID, columnLogin, columnName, columnGiven, columnSurname, columnMail, columnCompany,
		columnDepart, columnJob, columnExtension, columnPhones, columnFaxes, columnMobiles, columnAdmin, columnStatus)
	return []files.File{users, sh.groups(s)}
}

func phonebook(sh *sheet, s pbx.State) []files.File {
	return []files.File{sh.table("phonebook.csv", listed(s), columnName, columnCompany, columnDepart, columnExtension, columnPhone, columnMobile, columnFax)}
}

// bulk are the tables that FreePBX imports, without passwords: it makes its own.
func bulk(sh *sheet, s pbx.State) []files.File {
	var extensions []pbx.User
	for _, u := range s.Users {
		if u.Extension != "" && u.Status != pbx.Disabled {
			extensions = append(extensions, u)
		}
	}
	return []files.File{
		sh.table("freepbx-users.csv", s.Users, columnLogin.titled("username"), columnExtension.titled("default_extension"),
			columnName.titled("displayname"), columnGiven.titled("fname"), columnSurname.titled("lname"), columnJob, columnCompany,
			columnDepart, columnMail.titled("email"), columnMobile.titled("cell"), columnPhone.titled("work"), columnFax),
		sh.table("freepbx-extensions.csv", extensions, columnExtension, columnName.titled("name")),
	}
}

func (sh *sheet) table(name string, users []pbx.User, columns ...column) files.File {
	sh.file = name
	var b bytes.Buffer
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.title
	}
	writeRow(&b, row)
	for _, u := range users {
		for i, c := range columns {
			row[i] = c.value(u)
			if c.field != "" && runs(row[i]) {
				sh.leaveOut(u.ID, "", c.field, row[i], inSpreadsheet)
				row[i] = ""
			}
		}
		writeRow(&b, row)
	}
	return files.File{Name: name, Data: b.Bytes()}
}

func (sh *sheet) groups(s pbx.State) files.File {
	sh.file = "groups.csv"
	var b bytes.Buffer
	writeRow(&b, []string{"id", "name", "members", "phone"})
	for _, g := range s.Groups {
		name, members := g.Name, make([]string, len(g.Members))
		for i, m := range g.Members {
			members[i] = string(m)
		}
		if runs(name) {
			sh.leaveOut("", g.ID, "name", name, inSpreadsheet)
			name = ""
		}
		writeRow(&b, []string{string(g.ID), name, strings.Join(members, " "), strings.Join(of(g.Numbers, pbx.Phone), " ")})
	}
	return files.File{Name: sh.file, Data: b.Bytes()}
}

const inSpreadsheet = "a spreadsheet would take this text for a formula"

// runs reports whether a spreadsheet would run a text. To write it otherwise would change it for every other reader.
func runs(s string) bool { return s != "" && strings.ContainsRune("=+-@|%\t\r", rune(s[0])) }

// writeRow quotes every cell, so that separators, quotes and line ends in it mean nothing.
func writeRow(b *bytes.Buffer, cells []string) {
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(c, `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString("\r\n")
}
