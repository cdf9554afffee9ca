// Package export renders the users and groups of a PBX for other programs: CSV, JSON, LDIF, XML, the tables that
// FreePBX takes in bulk, and entries of Asterisk's database. Adapters that are files offer these formats.
//
// A text that a format cannot hold so that every reader gets the same text back is left out, and a refusal says so. No
// text can end its cell, line or element.
package export

import (
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Format is what a file is written in.
type Format string

// The formats there are, with the files they make. Phonebooks hold active users who have a number alone.
const (
	CSV       Format = "csv"       // users.csv, groups.csv: everything, comma, UTF-8, each cell quoted
	JSON      Format = "json"      // directory.json: everything
	Phonebook Format = "phonebook" // phonebook.csv: name, numbers
	XML       Format = "xml"       // phonebook.xml: as many telephones read it
	LDIF      Format = "ldif"      // phonebook.ldif: inetOrgPerson
	FreePBX   Format = "freepbx"   // freepbx-users.csv, freepbx-extensions.csv: for its bulk handler
	AstDB     Format = "astdb"     // astdb.txt: caller names and what is known of users, as commands for Asterisk's console
)

// Formats are all of them.
func Formats() []Format { return []Format{CSV, JSON, Phonebook, XML, LDIF, FreePBX, AstDB} }

var renderers = map[Format]func(*sheet, pbx.State) []files.File{
	CSV: whole, JSON: document, Phonebook: phonebook, XML: telephones, LDIF: people, FreePBX: bulk, AstDB: database,
}

// Render makes the files of some formats. A format that there is not makes none.
func Render(s pbx.State, formats ...Format) ([]files.File, []pbx.Refusal) {
	sh := &sheet{}
	var out []files.File
	for _, f := range Formats() {
		if slices.Contains(formats, f) {
			out = append(out, renderers[f](sh, s)...)
		}
	}
	return out, sh.refused
}

// sheet collects what was left out.
type sheet struct {
	file    string
	refused []pbx.Refusal
}

// leaveOut notes that value of a user or group is not in the file.
func (sh *sheet) leaveOut(user, group pbx.ID, field, value, message string) {
	sh.refused = append(sh.refused, pbx.Refusal{User: user, Group: group, Finding: tunnel.Finding{
		Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 80),
		Message: fmt.Sprintf("%s: %s", sh.file, message), WayOut: "change it at the source",
	}})
}

// listed are the users of a phonebook.
func listed(s pbx.State) (users []pbx.User) {
	for _, u := range s.Users {
		if u.Status == pbx.Active && (u.Extension != "" || len(u.Numbers) > 0) {
			users = append(users, u)
		}
	}
	return users
}

// of are a user's or group's numbers of one use, in E.164.
func of(ns []pbx.Number, use pbx.Use) (out []string) {
	for _, n := range ns {
		if n.Use == use {
			out = append(out, n.E164)
		}
	}
	return out
}

func first(ss []string) string {
	if len(ss) == 0 {
		return ""
	}
	return ss[0]
}
