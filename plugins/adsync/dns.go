package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// checkDNs finds what names an entry of the directory and cannot be the name of one.
func (s settings) checkDNs() (fs sdk.Findings) {
	one := func(field, value, example string) {
		if value != "" && !isDN(value) {
			fs = append(fs, wrong(field, value, "this is not a DN", "write it as "+typed(field, example)))
		}
	}
	list := func(field string, values []string, example string) {
		if whole := rejoined(values); len(whole) > 0 {
			fs = append(fs, wrong(field, strings.Join(values, ","), "these are the parts of a DN: a list that is set without [] is split at its commas",
				"write it as "+typed(field+"[]", whole...)))
			return
		}
		for i, v := range values {
			if !isDN(v) {
				fs = append(fs, wrong(field+"["+strconv.Itoa(i)+"]", v, "this is not a DN", "write it as "+typed(field+"[]", example)))
			}
		}
	}
	const group, place = "CN=PBX,OU=Groups,DC=corp,DC=example", "OU=People,DC=corp,DC=example"
	if u := s.Directory.User; u != "" && !isDN(u) && !isAccount(u) {
		fs = append(fs, wrong("directory.user", u, "this is neither a DN nor an account of a domain",
			`write it as a DN like CN=reader,DC=corp,DC=example, or for Active Directory as reader@corp.example or CORP\reader`))
	}
	one("directory.base", s.Directory.Base, "DC=corp,DC=example")
	list("directory.people", s.Directory.People, place)
	list("who.groups", s.Who.Groups, group)
	one("who.admins", s.Who.Admins, group)
	for _, name := range slices.Sorted(maps.Keys(s.Groups)) {
		if one("groups."+name, s.Groups[name], group); s.Groups[name] == "" {
			fs = append(fs, wrong("groups."+name, "", "no group of the directory is named", "write it as "+typed("groups."+name, group)))
		}
	}
	return fs
}

func wrong(field, value, message, wayOut string) sdk.Finding {
	return sdk.Finding{Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 80), Message: message, WayOut: wayOut}
}

// typed is how a key is set to values on a command line.
func typed(key string, values ...string) string {
	var all []string
	for _, v := range values {
		all = append(all, "'"+strings.ReplaceAll(key+"="+tunnel.Clean(v, 400), "'", `'\''`)+"'")
	}
	return strings.Join(all, " ")
}

// isDN reports whether a text names an entry: attributes with values, one at least.
func isDN(s string) bool { return len(rdns(s)) > 0 }

// rdns are the types of the first attribute of each part of a DN, in capitals; none where it is no DN.
func rdns(s string) (types []string) {
	dn, err := ldap.ParseDN(s)
	if err != nil {
		return nil
	}
	for _, r := range dn.RDNs {
		if len(r.Attributes) == 0 || r.Attributes[0].Type == "" {
			return nil
		}
		types = append(types, strings.ToUpper(r.Attributes[0].Type))
	}
	return types
}

// isAccount reports whether Active Directory may know a user by that text, as user@domain, DOMAIN\user, <SID=...> or a display
// name of several words ([MS-ADTS] 5.1.1.1.1). A single word is none, but what is typed by mistake.
func isAccount(s string) bool {
	domain, user, is := strings.Cut(s, `\`)
	if !is {
		user, domain, is = strings.Cut(s, "@")
	}
	if is {
		return user != "" && domain != "" && !strings.ContainsAny(domain, ` @\,=`) && !strings.ContainsAny(user, `\=`)
	}
	return strings.HasPrefix(s, "<") || strings.Contains(strings.TrimSpace(s), " ") && !strings.Contains(s, "=")
}

// rejoined are the DNs that a list was before it was split at every comma; none where it was not. Every part of it is one
// of a DN or less then, and together they are one. Several DNs in a row begin anew behind the components of a domain.
func rejoined(parts []string) (whole []string) {
	joined := rdns(strings.Join(parts, ","))
	if len(parts) < 2 || len(joined) < 2 || slices.ContainsFunc(parts, func(p string) bool { return len(rdns(p)) > 1 }) {
		return nil
	}
	if joined[0] != "DC" && !slices.ContainsFunc(joined, func(t string) bool { return t != joined[0] }) {
		return nil // o=a and o=b may well be two places
	}
	behindDomain := false
	for i, p := range parts {
		domain := slices.Equal(rdns(p), []string{"DC"})
		if i == 0 || behindDomain && !domain {
			whole = append(whole, p)
		} else {
			whole[len(whole)-1] += "," + p
		}
		behindDomain = domain
	}
	return whole
}
