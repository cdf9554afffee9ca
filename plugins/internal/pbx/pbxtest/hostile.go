package pbxtest

import (
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// payloads mean something to one format or another: configuration files, dialplans, CSV, spreadsheets, LDIF, LDAP, XML,
// JSON, shells, terminals, headers.
var payloads = []string{
	"\n[general]\nsecret=x", "\r\n[general](!)", "\nexten => _X.,1,System(id)", "\n#include /etc/shadow", "#include /etc/passwd", "#exec /bin/sh",
	"[x](+)", "](!)", ";", ";--", "--;", `\;`, `\\;`, "; comment", "=> x", "> x", "+= x", "${SHELL(id)}", "${GLOBAL(x)}", "$[1+1]", "$(id)", "`id`",
	",1,System(id)", ")", "Dial(PJSIP/0)", "&PJSIP/0", "|1|", "<0>", `" <0>`, `"><0`, `\" <0>`, "'", `"`, `""`, `\`, `\\`, `\n`, "%0a",
	`=cmd|'/c calc'!A1`, "+1+1", "-1+1", "@SUM(A1)", "\t=1", "|calc", "%x", `","x`, "\";\"", "\r\nx,y,z",
	"\ndn: uid=x\n", ": x", ":: eA==", "< file:///etc/passwd", " x", "x ", "\n changetype: delete", "*)(uid=*", "\\2a", "CN=x,DC=y",
	"<!--", "-->", "]]>", "<x/>", "&amp;", "&#10;", "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>", "</Name>", "<?xml?>",
	`"}`, `\u0000`, "{{7*7}}", "{}", "../../etc/passwd", "/etc/passwd", "a/b", ".", "..", "-rf",
	"\x00", "a\x00b", "\x01", "\x1b[2J", "\x1b]0;x\x07", "\x7f", "\u0085", "\u2028[x]", "\u2029", "\u202eabc", "\u2066x\u2069", "\u200f", "\ufeff", "\ufffe", "\ufffd",
	"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "Müller", "名前", "e\u0301", "😀", "\nAction: Command\r\nCommand: core stop now", "ActionID: 1",
	strings.Repeat("a", 256), strings.Repeat("ä", 256), strings.Repeat("a", 257), strings.Repeat("x\n", 5000), strings.Repeat("a", 10_000),
	strings.Repeat(";", 255), strings.Repeat("a", 8191) + "[x]", strings.Repeat("a", 8170) + "#include x",
}

// Hostile are some hundred texts that no format may take for anything but text: alone, and before, behind and between
// words.
func Hostile() (all []string) {
	for _, p := range payloads {
		all = append(all, p, "Anna "+p, p+" Müller", "Anna"+p+"Müller")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// HostileState has every hostile text in every field that a user and a group can have it in, as far as pbx.User.Fit lets
// it: nobody reaches an adapter otherwise.
func HostileState() (s pbx.State, refused int) {
	for i, h := range Hostile() {
		u := pbx.User{ID: id(i), External: h, Login: h, GivenName: h, Surname: h, DisplayName: h, Mail: h, Company: h, Department: h, Title: h,
			Extension: h, Numbers: []pbx.Number{{E164: h, Use: pbx.Phone}}, Status: pbx.Active}
		fit, fs, ok := u.Fit()
		refused += len(fs)
		if !ok {
			fit.Login = string(u.ID)
		}
		fit.Login, fit.Extension = fit.Login+" "+string(u.ID), digits(i)
		if fit, _, ok = fit.Fit(); !ok {
			fit.Login = string(u.ID)
		}
		s.Users = append(s.Users, fit)
		g := pbx.Group{ID: id(i), Name: h, External: h, Members: []pbx.ID{u.ID}, Numbers: []pbx.Number{{E164: "+4972112" + digits(i), Use: pbx.Phone}}}
		if len(g.Check()) == 0 {
			s.Groups = append(s.Groups, g)
		}
	}
	s.Sort()
	return s, refused
}

func id(i int) pbx.ID { return pbx.ID("h" + digits(i)) }

// digits is a number of five digits.
func digits(i int) string {
	return string([]byte{'1', byte('0' + i/1000%10), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10)})
}
