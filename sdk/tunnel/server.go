package tunnel

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a SERVER text leaves out (R12, R13).
const (
	DefaultPort = 22
	DefaultUser = "root"
)

const maxUser = 255

// ParseServer reads SERVER, [USER@]HOST[:PORT], split at the last @ (R11-R13): the port is 22 and the user root where
// they are left out, which Warnings then says. Findings name the fields "host", "port" and "user", or none for the
// whole; a Server comes back only without findings.
func ParseServer(s string) (Server, Findings) {
	if len(s) > maxText {
		return Server{}, one(TooLong, "", s, "the SSH server's text is too long", "write [USER@]HOST[:PORT]")
	}
	if strings.Contains(s, "://") {
		return Server{}, one(Malformed, "", s[:strings.Index(s, "://")+3], "the SSH server is not given as a URL",
			"write [USER@]HOST[:PORT]")
	}
	v := Server{User: DefaultUser, Port: DefaultPort}
	var fs Findings
	host := s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		v.User, host = s[:i], s[i+1:]
		fs = append(fs, checkUser(v.User, "user")...)
	}
	parts := splitColons(host)
	if len(parts) == 2 {
		port, pfs := parsePort(parts[1], "port")
		v.Port, fs, host = port, append(fs, pfs...), parts[0]
	}
	host, hfs := parseHost(host, "host")
	v.Host, fs = host, append(fs, hfs...)
	if len(fs) > 0 {
		return Server{}, fs
	}
	return v, nil
}

// checkUser is the grammar of USER: what Windows and Unix accounts need, and nothing that could become an option.
func checkUser(u, field string) Findings {
	const wayOut = `use letters, digits, \ @ . - _ and inner spaces, not beginning with -`
	switch {
	case u == "":
		return one(Required, field, u, "nothing stands before the @",
			"put the user name there, or leave out the @ for "+DefaultUser)
	case len(u) > maxUser:
		return one(TooLong, field, u, fmt.Sprintf("the user name has %d bytes", len(u)),
			atMost(maxUser))
	case strings.Contains(u, ":"):
		name, _, _ := strings.Cut(u, ":")
		return one(Malformed, field, name+":"+hidden, "a password has no place beside the user name",
			"leave out the colon and what follows; passwords go in by themselves")
	case u[0] == '-' || !userText(u):
		return one(Malformed, field, u, quoted(u)+" is not a user name", wayOut)
	}
	return nil
}

func userText(u string) bool {
	if !utf8.ValidString(u) || strings.Trim(u, " ") != u {
		return false
	}
	for _, r := range u {
		if !unicode.IsLetter(r) && !('0' <= r && r <= '9') && !strings.ContainsRune(`\@.-_ `, r) {
			return false
		}
	}
	return true
}

// String is the SERVER text that ParseServer reads back: the user always, the port where it is not 22.
func (v Server) String() string {
	if v == (Server{}) {
		return ""
	}
	s := hostText(v.Host)
	if v.User != "" {
		s = v.User + "@" + s
	}
	if v.Port != DefaultPort && v.Port != 0 {
		s += ":" + strconv.Itoa(v.Port)
	}
	return s
}

// Endpoint is HOST:PORT.
func (v Server) Endpoint() string { return hostText(v.Host) + ":" + strconv.Itoa(v.Port) }

// Warnings says what is allowed but unwise: the user root (R13).
func (v Server) Warnings() []string {
	if v.User != DefaultUser {
		return nil
	}
	return []string{"the tunnel logs in as root at " + v.Host + ": whoever has its key or password is root there; " +
		"better give it a user of its own (USER@HOST)"}
}

// check is R11-R13 for a server that is no text any more.
func (v Server) check() Findings {
	fs := checkHost(v.Host, "host")
	fs = append(fs, checkPort(v.Port, strconv.Itoa(v.Port), "port")...)
	return append(fs, checkUser(v.User, "user")...)
}
