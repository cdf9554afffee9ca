package pbx

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of what a PBX keeps. A directory of 100,000 users is far beyond any PBX this is made for.
const (
	MaxText     = 256 // characters of a text
	MaxNumbers  = 32  // of one user or group
	MaxUsers    = 100_000
	MaxGroups   = 10_000
	maxFindings = 100 // of one state: more tell nothing new
)

var (
	idForm        = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	extensionForm = regexp.MustCompile(`^[0-9]{1,15}$`)
	e164Form      = regexp.MustCompile(`^\+[1-9][0-9]{3,14}$`)
	mailForm      = regexp.MustCompile(`^[^\s@<>()\[\]\\,;:"]+@[^\s@<>()\[\]\\,;:"]+$`)
)

// Line makes one line of text from a directory fit to be kept: spaces of every sort at its ends go, inside they become
// one space each. Whatever else may not be in a text stays, for Check to refuse.
func Line(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkText has the rule of every text: one line of at most MaxText printable characters. Control characters, line breaks
// of every sort, direction marks and broken UTF-8 are not printable.
func checkText(field, s string) (tunnel.Finding, bool) {
	switch {
	case utf8.RuneCountInString(s) > MaxText:
		return finding(tunnel.TooLong, field, s, "this text is too long", "use at most "+strconv.Itoa(MaxText)+" characters"), false
	case !printable(s):
		return finding(tunnel.Malformed, field, s, "this text holds characters that cannot be shown", "take them out at the source"), false
	case s != strings.TrimSpace(s):
		return finding(tunnel.Malformed, field, s, "this text begins or ends with a space", "take it out"), false
	}
	return tunnel.Finding{}, true
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// text is a field of a user or group that holds text, by its JSON name.
type text struct {
	name  string
	value *string
}

// optional are the texts of a user that may be empty.
func (u *User) optional() []text {
	return []text{{"external", &u.External}, {"given_name", &u.GivenName}, {"surname", &u.Surname}, {"display_name", &u.DisplayName},
		{"mail", &u.Mail}, {"company", &u.Company}, {"department", &u.Department}, {"title", &u.Title}, {"extension", &u.Extension}}
}

// checkField has the rule of one optional field.
func checkField(name, value string) (tunnel.Finding, bool) {
	switch f, ok := checkText(name, value); {
	case value == "" || !ok:
		return f, ok
	case name == "mail" && !mailForm.MatchString(value):
		return finding(tunnel.Malformed, name, value, "this is not a mail address", "give NAME@DOMAIN"), false
	case name == "extension" && !extensionForm.MatchString(value):
		return finding(tunnel.Malformed, name, value, "this is not an extension", "give up to 15 digits"), false
	}
	return tunnel.Finding{}, true
}

// Check has the rules of one user. Findings name the fields by their JSON names.
func (u User) Check() (fs tunnel.Findings) {
	fs = append(checkID(u.ID), checkRequired("login", u.Login)...)
	for _, t := range u.optional() {
		if f, ok := checkField(t.name, *t.value); !ok {
			fs = append(fs, f)
		}
	}
	if !slices.Contains([]Status{Active, Orphaned, Disabled}, u.Status) {
		fs = append(fs, finding(tunnel.OutOfRange, "status", string(u.Status), "there is no such status", "use active, orphaned or disabled"))
	}
	return append(fs, checkNumbers(u.Numbers)...)
}

// Fit is the user without what breaks a rule, and what that was. ok is false when nothing can be kept, because it is the
// ID, the login or the status that is wrong. Modules call it with what they read from a directory.
func (u User) Fit() (fit User, fs tunnel.Findings, ok bool) {
	for _, t := range u.optional() {
		if f, ok := checkField(t.name, *t.value); !ok {
			fs, *t.value = append(fs, f), ""
		}
	}
	if nfs := checkNumbers(u.Numbers); len(nfs) > 0 {
		fs, u.Numbers = append(fs, nfs...), fitNumbers(u.Numbers)
	}
	rest := u.Check()
	return u, append(fs, rest...), len(rest) == 0
}

// Check has the rules of one group; whether its members exist is State.Check's.
func (g Group) Check() (fs tunnel.Findings) {
	fs = append(checkID(g.ID), checkRequired("name", g.Name)...)
	if f, ok := checkText("external", g.External); !ok {
		fs = append(fs, f)
	}
	return append(fs, checkNumbers(g.Numbers)...)
}

func checkID(id ID) tunnel.Findings {
	if idForm.MatchString(string(id)) {
		return nil
	}
	return tunnel.Findings{finding(tunnel.Malformed, "id", string(id), "this is not an ID", "use a-z, 0-9 and hyphens")}
}

func checkRequired(field, s string) tunnel.Findings {
	if s == "" {
		return tunnel.Findings{finding(tunnel.Required, field, s, "this is missing", "give it")}
	}
	if f, ok := checkText(field, s); !ok {
		return tunnel.Findings{f}
	}
	return nil
}

func checkNumbers(ns []Number) (fs tunnel.Findings) {
	if len(ns) > MaxNumbers {
		return tunnel.Findings{finding(tunnel.TooMany, "numbers", strconv.Itoa(len(ns)), "these are too many numbers", fmt.Sprintf("use at most %d", MaxNumbers))}
	}
	for i, n := range ns {
		switch {
		case !n.valid():
			fs = append(fs, finding(tunnel.Malformed, "numbers", n.E164, "this is not a number in the international form", "give + and 4 to 15 digits, and what it is for"))
		case holds(ns[:i], n.E164):
			fs = append(fs, finding(tunnel.Exists, "numbers", n.E164, "this number is there twice", "give it once"))
		}
	}
	return fs
}

func (n Number) valid() bool {
	return e164Form.MatchString(n.E164) && (n.Use == Phone || n.Use == Fax || n.Use == Mobile)
}

func holds(ns []Number, e164 string) bool {
	return slices.ContainsFunc(ns, func(n Number) bool { return n.E164 == e164 })
}

func fitNumbers(ns []Number) (fit []Number) {
	for _, n := range ns {
		if n.valid() && !holds(fit, n.E164) && len(fit) < MaxNumbers {
			fit = append(fit, n)
		}
	}
	return fit
}

// shown bounds the part of a wrong value that a finding repeats.
const shown = 80

func finding(code tunnel.Code, field, value, message, wayOut string) tunnel.Finding {
	return tunnel.Finding{Code: code, Field: field, Value: tunnel.Clean(value, shown), Message: message, WayOut: wayOut}
}
