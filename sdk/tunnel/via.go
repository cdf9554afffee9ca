package tunnel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Via is the proxy through which the PBX reaches the SSH server; the zero Via is none. Its text is SCHEME://[USER@]HOST:PORT,
// in which a user may be percent-encoded (RFC 3986, 2.1), as URLs have it.
// The password of its user is a secret and stands in no text (R14).
type Via struct {
	Scheme string // ViaHTTP or ViaSOCKS5
	Host   string
	Port   int
	User   string // "" where the proxy asks for none
}

// The two kinds of proxy: CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928), which resolves the server's name itself.
const (
	ViaHTTP   = "http"
	ViaSOCKS5 = "socks5"
)

const (
	viaForm       = "write http://[USER@]HOST:PORT or socks5://[USER@]HOST:PORT"
	passwordApart = "; the proxy's password goes in by itself"
)

// What a proxy is told, in bytes: a user, as long as SOCKS5 can say it (RFC 1929), and an HTTP proxy's password, in the
// 8 KiB that most proxies take of a header at least.
const (
	maxViaUser         = 255
	maxViaHTTPPassword = 4 << 10
)

// ParseVia reads the text of a proxy; "" is none. Findings name the fields "host", "port" and "user", or none for the
// whole; a Via comes back only without findings.
func ParseVia(s string) (Via, Findings) {
	if s == "" {
		return Via{}, nil
	}
	if len(s) > maxText {
		return Via{}, one(TooLong, "", schemeOf(s), "the proxy's text is too long", viaForm)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	v := Via{Scheme: strings.ToLower(scheme)}
	if !ok || v.Scheme != ViaHTTP && v.Scheme != ViaSOCKS5 {
		return Via{}, one(Malformed, "", schemeOf(s), quoted(schemeOf(s))+" is not the beginning of a proxy", viaForm)
	}
	var fs Findings
	host := strings.TrimSuffix(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		v.User, host = decoded(host[:i]), host[i+1:]
		fs = append(fs, checkViaUser(v.User)...)
	}
	if strings.Contains(host, "%") && !strings.HasPrefix(host, "[") {
		return Via{}, append(fs, find(Malformed, "host", hidden, "what stands where the proxy's host goes is no host", viaForm+passwordApart))
	}
	parts := splitColons(host)
	if len(parts) != 2 {
		return Via{}, append(fs, find(Required, "port", withoutPassword(host), "the proxy's port is missing", viaForm))
	}
	port, pfs := parseViaPort(parts[1])
	v.Port, fs = port, append(fs, pfs...)
	name, hfs := parseHost(parts[0], "host")
	v.Host, fs = name, append(fs, hfs...)
	if len(fs) > 0 {
		return Via{}, fs
	}
	return v, nil
}

// parseViaPort is parsePort where a password may stand, for whoever forgets the host writes scheme://USER:PASSWORD.
func parseViaPort(s string) (int, Findings) {
	if s != "" && !looksLikePort(s) {
		return 0, one(Malformed, "port", hidden, "what stands where the proxy's port goes is not a port", viaForm+passwordApart)
	}
	return parsePort(s, "port")
}

func looksLikePort(s string) bool { return len(s) <= 5 && strings.Trim(s, "0123456789") == "" }

// schemeOf is the part of a text that is no proxy's that may be shown: the rest may hold a password.
func schemeOf(s string) string {
	if scheme, _, ok := strings.Cut(s, "://"); ok && !strings.ContainsAny(scheme, ":@") {
		return scheme + "://"
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return hidden + "@" + withoutPassword(s[i+1:])
	}
	return withoutPassword(s)
}

// withoutPassword is HOST[:PORT] as it may be shown: what follows a colon and is no port may be a password.
func withoutPassword(s string) string {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return s
	}
	parts := strings.Split(s, ":")
	for i, p := range parts[1:] {
		if !looksLikePort(p) {
			return strings.Join(parts[:i+1], ":") + ":" + hidden
		}
	}
	return s
}

// decoded is s with what its escapes of URLs stand for. A % that begins none stands for itself.
func decoded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if !isEscape(s[i:]) {
			b.WriteByte(s[i])
			continue
		}
		n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
		b.WriteByte(byte(n))
		i += len("%3A") - 1
	}
	return b.String()
}

// encoded is s so that decoded gives s again: only a % is escaped that would be taken for more.
func encoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if isEscape(s[i:]) {
			b.WriteString("25")
		}
	}
	return b.String()
}

// isEscape reports whether s begins with a % and two hexadecimal digits.
func isEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && strings.Trim(s[1:3], "0123456789abcdefABCDEF") == ""
}

func checkViaUser(u string) Findings {
	switch {
	case u == "":
		return one(Required, "user", u, "nothing stands before the @", "put the proxy's user there, or leave out the @")
	case len(u) > maxViaUser:
		return one(TooLong, "user", "", "the proxy's user is too long", atMost(maxViaUser))
	case strings.Contains(u, ":"):
		name, _, _ := strings.Cut(u, ":")
		return one(Malformed, "user", name+":"+hidden, "a password has no place beside the user name",
			"leave out the colon and what follows"+passwordApart)
	}
	return checkLine(u, "user", maxViaUser)
}

// CheckPassword says what is wrong with a password of v's user, without repeating it; "" is none. The findings name no
// field.
func (v Via) CheckPassword(s Secret) Findings {
	n, limit := len(s.Reveal()), maxViaHTTPPassword
	if v.Scheme == ViaSOCKS5 {
		limit = maxViaUser
	}
	switch {
	case n == 0:
		return nil
	case v.User == "":
		return one(Malformed, "", "", "there is a password for the proxy, but no user that it is of",
			"put the user into the proxy's text, SCHEME://USER@HOST:PORT, or leave out the password")
	case n > limit:
		return one(TooLong, "", "", fmt.Sprintf("the proxy's password has %d bytes", n), atMost(limit))
	}
	return CheckSecret("", s.Reveal())
}

// String is the text that ParseVia reads back, "" for none.
func (v Via) String() string {
	if v == (Via{}) {
		return ""
	}
	s := v.Scheme + "://"
	if v.User != "" {
		s += encoded(v.User) + "@"
	}
	return s + hostText(v.Host) + ":" + strconv.Itoa(v.Port)
}

// Endpoint is HOST:PORT.
func (v Via) Endpoint() string { return hostText(v.Host) + ":" + strconv.Itoa(v.Port) }

// Suspected is what is seen, and to be looked at first, where a link through v is kept and nothing answers: the machine
// that acknowledges is the proxy's, and its program may stand still as well as the server's.
func (v Via) Suspected() (evidence string, first Fix) {
	at := Clean(v.Endpoint(), maxEvidence/2)
	return "what is sent is acknowledged by the proxy " + at + ": it, or the server behind it, stands still", Fix{
		Where: "a shell at the proxy: is its process stopped (T), or waiting for a disk (D)?",
		Line:  fmt.Sprintf("ss -ltnp 'sport = :%d'; ps -eo pid,stat,etime,args | awk '$2 ~ /^[TD]/'", v.Port),
	}
}

// check is ParseVia's rules for a proxy that is no text any more.
func (v Via) check() Findings {
	if v == (Via{}) {
		return nil
	}
	_, fs := ParseVia(v.String())
	return fs
}
