package export

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// The families of Asterisk's database that are written: names by number, as dialplans look up who calls, DB(cidname/101),
// and what is known of a user, by extension and field, DB(culvert/101/mail).
const (
	nameFamily = "cidname"
	userFamily = "culvert"
)

// MaxCallerName is what Asterisk cuts a caller's name to, in bytes.
const MaxCallerName = 79

// maxEntry is for everything else, in bytes: a command of Asterisk's console has no room for more than 511.
const maxEntry = 255

// CallerName reports whether Asterisk shows a name as it is.
func CallerName(name string) bool { return len(name) <= MaxCallerName && harmless(name) }

// harmless: quotes, angle brackets and backslashes would part a caller's name elsewhere, a dollar sign or a backtick means
// something to dialplans and shells that a text of the database is handed to, a semicolon to configuration files.
func harmless(text string) bool { return !strings.ContainsAny(text, "\"<>\\$`;") }

// variables are what the database has of a user, by extension.
var variables = []column{columnID, columnLogin, columnName, columnMail, columnCompany, columnDepart, columnJob, columnPhone, columnFax, columnMobile}

// database are commands for Asterisk's console, a line each. Its entries are replaced by them and none is deleted: whoever
// loads the file deletes the families before, where nobody else keeps anything in them.
func database(sh *sheet, s pbx.State) []files.File {
	sh.file = "astdb.txt"
	var b bytes.Buffer
	for _, u := range listed(s) {
		sh.names(&b, u)
		for _, v := range variables {
			if u.Extension != "" {
				sh.put(&b, u.ID, v.field, userFamily, u.Extension+"/"+v.title, v.value(u))
			}
		}
	}
	return []files.File{{Name: sh.file, Data: b.Bytes()}}
}

// names are that of the user, by each number that the user may call from.
func (sh *sheet) names(b *bytes.Buffer, u pbx.User) {
	name := u.Name()
	if !CallerName(name) {
		sh.leaveOut(u.ID, "", "display_name", name, fmt.Sprintf("Asterisk cannot show this name: it takes %d bytes, without \" < > \\ $ ` ;", MaxCallerName))
		return
	}
	if u.Extension != "" {
		sh.put(b, u.ID, "", nameFamily, u.Extension, name)
	}
	for _, n := range u.Numbers {
		sh.put(b, u.ID, "", nameFamily, n.E164, name)
	}
}

// put writes one entry. Families and keys are words of ours and digits.
func (sh *sheet) put(b *bytes.Buffer, user pbx.ID, field, family, key, value string) {
	switch {
	case value == "":
	case len(value) > maxEntry || !harmless(value):
		sh.leaveOut(user, "", field, value, fmt.Sprintf("Asterisk's database cannot hold this text: it takes %d bytes, without \" < > \\ $ ` ;", maxEntry))
	default:
		fmt.Fprintf(b, "database put %s %s \"%s\"\n", family, key, value)
	}
}
