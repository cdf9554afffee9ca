package tunnel

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check is every rule that one tunnel obeys by itself (R11-R13, R15, R19, R29-R42): names, server, login, fingerprint,
// comment and the mappings one by one. Fields are paths, like "server.host" and "mappings[ldap].local.port". What
// depends on other mappings is Collisions' part, what depends on the module CheckPolicy's.
func Check(t Tunnel) Findings {
	fs := t.checkRef()
	if t.Node != "" && t.Node != Node {
		fs = append(fs, find(Malformed, "node", t.Node, quoted(t.Node)+" is not a node", "leave it out"))
	}
	fs = append(fs, t.Server.check().In("server")...)
	fs = append(fs, t.Via.check().In("via")...)
	_, lfs := ParseLAN(t.LAN)
	fs = append(fs, lfs.At("lan")...)
	fs = append(fs, t.checkLogin()...)
	if t.Fingerprint != "" {
		_, ffs := ParseFingerprint(t.Fingerprint)
		fs = append(fs, ffs.In("fingerprint")...)
	}
	fs = append(fs, checkLine(t.Comment, "comment", MaxComment)...)
	return append(fs, t.checkMappings()...)
}

// checkRef holds operator-made and declared names apart: only the latter have a dot, and begin with their configuration.
func (t Tunnel) checkRef() Findings {
	fs := CheckName(string(t.Ref.Owner), MaxName).In("owner")
	nfs := checkTunnelName(t.Ref.Name)
	switch {
	case len(nfs) > 0:
		return append(fs, nfs.In("name")...)
	case t.Configuration == "" && t.Ref.Name.Declared():
		return append(fs, find(Malformed, "name", string(t.Ref.Name), "a name with a dot is one that a module declared",
			"use a name without a dot"))
	case t.Configuration != "" && t.Ref.Name != SettingsName(t.Configuration, t.Settings):
		return append(fs, misnamed(t.Ref, t.Configuration, t.Settings).In("name")...)
	}
	return fs
}

func misnamed(ref Ref, configuration, settings string) Findings {
	right := Ref{ref.Owner, SettingsName(configuration, settings)}
	return one(Malformed, "", ref.String(),
		fmt.Sprintf("%s is not what the site %s of configuration %s is called", Clean(ref.String(), shown),
			quoted(settings), quoted(configuration)),
		"call it "+Clean(right.String(), shown))
}

func (t Tunnel) checkLogin() Findings {
	fs := checkLogin(t.Login)
	if t.OwnKey && t.Login == LoginPassword {
		fs = append(fs, find(Malformed, "login", string(t.Login), "a tunnel with a key of its own logs in by key",
			"give login key, or no key"))
	}
	return fs
}

func checkLogin(l Login) Findings {
	switch l {
	case LoginKey, LoginPassword:
		return nil
	case "":
		return one(Required, "login", "", "the way to log in is missing", "give key or password")
	}
	return one(Malformed, "login", string(l), quoted(string(l))+" is not a way to log in", "give key or password")
}

// checkLine keeps free text to one line that reads the way it is written.
func checkLine(s, field string, limit int) Findings {
	if n := utf8.RuneCountInString(s); n > limit {
		return one(TooLong, field, s, fmt.Sprintf("the text has %d characters", n), atMost(limit))
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unshowable) {
		return one(Malformed, field, s, "the text holds characters that cannot be shown", "use one line of plain text")
	}
	return nil
}

// unshowable: control characters, line separators, and what turns the reading direction so that text lies.
func unshowable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

func (t Tunnel) checkMappings() Findings {
	var fs Findings
	mappings := t.Mappings
	if n := len(mappings); n > MaxMappings {
		fs = append(fs, find(TooMany, "mappings", strconv.Itoa(n), fmt.Sprintf("the tunnel has %d mappings", n),
			fmt.Sprintf("use at most %d and a second tunnel for the rest", MaxMappings)))
		mappings = mappings[:MaxMappings] // what is said of them is bounded too
	}
	seen := map[string]bool{}
	for i, m := range mappings {
		mfs := m.check(t.Ref.Owner)
		if m.Name != "" && seen[m.Name] {
			mfs = append(mfs, find(Exists, "name", m.Name,
				"another mapping of the tunnel is called "+quoted(m.Name)+" too", "give each its own name"))
		}
		seen[m.Name] = true
		fs = append(fs, mfs.In(m.path(i))...)
	}
	return fs
}

// path names the i-th mapping of a tunnel in a finding: by its name, or its place where it has none.
func (m Mapping) path(i int) string {
	if m.Name == "" {
		return fmt.Sprintf("mappings[%d]", i)
	}
	return "mappings[" + Clean(m.Name, MaxName) + "]"
}

func (m Mapping) check(owner Owner) Findings {
	fs := CheckName(m.Name, MaxName).In("name")
	kfs := checkKind(m.Kind)
	fs = append(fs, kfs...)
	if len(kfs) == 0 {
		fs = append(fs, m.checkLocal(owner)...)
		fs = append(fs, m.checkRemote()...)
	}
	_, lfs := ParseLane(string(m.Lane))
	return append(fs, lfs...)
}

// checkLocal: a reach kind listens on the PBX itself, so it has no local host; a private mapping needs a module that
// opens its socket.
func (m Mapping) checkLocal(owner Owner) Findings {
	var fs Findings
	switch {
	case m.Local.Host == "":
	case m.Kind.Reaches():
		fs = append(fs, find(Malformed, "local.host", m.Local.Host,
			"a "+string(m.Kind)+" mapping listens on the PBX itself", "leave the local host out"))
	default:
		fs = append(fs, checkHost(m.Local.Host, "local.host")...)
	}
	if !m.Private() {
		return append(fs, checkPort(m.Local.Port, strconv.Itoa(m.Local.Port), "local.port")...)
	}
	if pfs := m.checkPrivate(); len(pfs) > 0 {
		return append(fs, pfs...)
	}
	if owner == Operator {
		fs = append(fs, find(Required, "local.port", "",
			"a mapping without a local port is for a module, and the operator is none",
			"put the local port before the first colon: "+form(m.Kind)))
	}
	return fs
}

func (m Mapping) checkRemote() Findings {
	var fs Findings
	switch {
	case m.Remote.Host == "":
	case m.Kind.Exposes():
		fs = append(fs, find(Malformed, "remote.host", m.Remote.Host,
			"the SSH server itself listens for a "+string(m.Kind)+" mapping", "leave the remote host out"))
	default:
		fs = append(fs, checkHost(m.Remote.Host, "remote.host")...)
	}
	return append(fs, checkPort(m.Remote.Port, strconv.Itoa(m.Remote.Port), "remote.port")...)
}
