package directory

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// guid writes an objectGUID as people do: its first three fields are little-endian in the directory.
func guid(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	b = slices.Clone(b)
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[0:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// identity is who an entry is for ever, in lower case: an objectGUID, an entryUUID, or the text of another attribute that
// the operator chose, where it has only letters, digits and hyphens.
func identity(e *ldap.Entry, attribute string) string {
	if raw := e.GetEqualFoldRawAttributeValue(attribute); len(raw) == 16 && strings.EqualFold(attribute, "objectGUID") {
		return guid(raw)
	}
	text := strings.ToLower(first(e, attribute))
	if uuidForm.MatchString(text) || otherIdentity.MatchString(text) {
		return text
	}
	return ""
}

var otherIdentity = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// rid is the last part of an objectSid, by which members of a primary group name it; ok is false for what is none.
func rid(sid []byte) (rid uint32, ok bool) {
	if len(sid) < 12 || len(sid) != 8+4*int(sid[1]) {
		return 0, false
	}
	b := sid[len(sid)-4:]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24, true
}

// foldDN writes a DN so that equal ones are equal texts. What is no DN stays apart from all that are.
func foldDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "\x00" + dn
	}
	var rdns []string
	for _, r := range parsed.RDNs {
		var parts []string
		for _, a := range r.Attributes {
			parts = append(parts, strings.ToLower(a.Type)+"="+strconv.Quote(strings.ToLower(strings.Join(strings.Fields(a.Value), " "))))
		}
		slices.Sort(parts)
		rdns = append(rdns, strings.Join(parts, "+"))
	}
	return strings.Join(rdns, ",")
}

// clean makes a value one line of plain text: without control and direction characters and what is no text, with single
// spaces, and cut.
func clean(s string) string {
	var b strings.Builder
	count, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == unicode.ReplacementChar, !unicode.IsPrint(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			count, space = count+1, false
		}
		if count++; count > maxText {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// name is what somebody is known by, as the directory takes it: spaces at its ends mean nothing, and several are one. Nothing
// else is taken out, and one that is too long stays so.
func name(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	for i, n := 0, 0; i < len(s); n++ {
		if n > maxText {
			return s[:i]
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return s
}
