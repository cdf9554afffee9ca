package tunnel

import (
	"strconv"
	"strings"
)

// Via is the proxy through which the PBX reaches the SSH server; the zero Via is none. Its text is SCHEME://[USER@]HOST:PORT.
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

const viaForm = "write http://[USER@]HOST:PORT or socks5://[USER@]HOST:PORT"

// maxViaUser is what SOCKS5 can say (RFC 1929).
const maxViaUser = 255

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
		v.User, host = host[:i], host[i+1:]
		fs = append(fs, checkViaUser(v.User)...)
	}
	parts := splitColons(host)
	if len(parts) != 2 {
		return Via{}, append(fs, find(Required, "port", host, "the proxy's port is missing", viaForm))
	}
	port, pfs := parsePort(parts[1], "port")
	v.Port, fs = port, append(fs, pfs...)
	name, hfs := parseHost(parts[0], "host")
	v.Host, fs = name, append(fs, hfs...)
	if len(fs) > 0 {
		return Via{}, fs
	}
	return v, nil
}

// schemeOf is the part of a text that may be shown: what follows may hold a password.
func schemeOf(s string) string {
	if i := strings.Index(s, "://"); i >= 0 {
		return s[:i+3]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return hidden + s[i:]
	}
	return s
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
			"leave out the colon and what follows; the proxy's password goes in by itself")
	}
	return checkLine(u, "user", maxViaUser)
}

// String is the text that ParseVia reads back, "" for none.
func (v Via) String() string {
	if v == (Via{}) {
		return ""
	}
	s := v.Scheme + "://"
	if v.User != "" {
		s += v.User + "@"
	}
	return s + hostText(v.Host) + ":" + strconv.Itoa(v.Port)
}

// Endpoint is HOST:PORT.
func (v Via) Endpoint() string { return hostText(v.Host) + ":" + strconv.Itoa(v.Port) }

// check is ParseVia's rules for a proxy that is no text any more.
func (v Via) check() Findings {
	if v == (Via{}) {
		return nil
	}
	_, fs := ParseVia(v.String())
	return fs
}
