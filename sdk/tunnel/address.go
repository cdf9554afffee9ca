package tunnel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	minPort = 1
	maxPort = 65535
	maxHost = 253 // of a DNS name (RFC 1035, without the final dot)
	maxText = 1024
)

// parsePort reads a port: ASCII digits without a leading zero, 1-65535.
func parsePort(s, field string) (int, Findings) {
	const wayOut = "give a port from 1 to 65535"
	switch {
	case s == "":
		return 0, one(Required, field, s, "a port is missing", wayOut)
	case strings.Trim(s, "0123456789") != "":
		return 0, one(Malformed, field, s, quoted(s)+" is not a port", wayOut+" in digits")
	case s[0] == '0' && len(s) > 1:
		return 0, one(Malformed, field, s, "port "+quoted(s)+" begins with a zero", "write it without the zero")
	}
	p, err := strconv.Atoi(s)
	if err != nil {
		p = maxPort + 1
	}
	return p, checkPort(p, s, field)
}

// checkPort is R40's rule for a port that is a number already; text is how it was given.
func checkPort(p int, text, field string) Findings {
	if p < minPort || p > maxPort {
		return one(OutOfRange, field, text, "there is no port "+Clean(text, shown), "give a port from 1 to 65535")
	}
	return nil
}

// ParseHost reads a host as a SPEC holds it, an IPv6 address in brackets. Its findings have no field.
func ParseHost(s string) (string, Findings) { return parseHost(s, "") }

// parseHost reads a host as texts hold it: an IPv6 address in brackets, an IPv4 address or a DNS name. The result has no
// brackets and an address is in its shortest form.
func parseHost(s, field string) (string, Findings) {
	inner, bracketed := strings.CutPrefix(s, "[")
	if !bracketed {
		if strings.Contains(s, ":") {
			return "", one(Malformed, field, s, quoted(s)+" is not a host name",
				"write an IPv6 address in brackets and without a zone, like [2001:db8::7]")
		}
		return s, checkHost(s, field)
	}
	inner, closed := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	if !closed || err != nil || !a.Is6() || a.Zone() != "" {
		return "", one(Malformed, field, s, quoted(s)+" is not an IPv6 address in brackets",
			"write it like [2001:db8::7], without a zone; brackets are for IPv6 only")
	}
	return a.String(), checkHost(a.String(), field)
}

// checkHost is the rule for a host that stands alone, without brackets. What could become an option or command of
// another program, or drive a terminal, is no host.
func checkHost(h, field string) Findings {
	if a, err := netip.ParseAddr(h); err == nil {
		return checkAddr(a, h, field)
	}
	const wayOut = "give an address, or a name of letters, digits, - . and _"
	switch {
	case h == "":
		return one(Required, field, h, "a host is missing", wayOut)
	case len(h) > maxHost:
		return one(TooLong, field, h, fmt.Sprintf("the host name has %d characters", len(h)),
			atMost(maxHost))
	case h[0] == '-':
		return one(Malformed, field, h, "host "+quoted(h)+" begins with -", wayOut)
	case !dnsText(h):
		return one(Malformed, field, h, quoted(h)+" is not a host name", wayOut)
	case numeric(h):
		return one(Malformed, field, h, quoted(h)+" is not an IP address", "write all four numbers, like 192.0.2.7")
	}
	return nil
}

func checkAddr(a netip.Addr, h, field string) Findings {
	switch {
	case a.Zone() != "":
		return one(Malformed, field, h, "address "+quoted(h)+" has a zone", "leave out % and what follows")
	case a.IsUnspecified():
		return one(Malformed, field, h, "address "+quoted(h)+" means every address, not one machine",
			"give the machine's own address or name")
	}
	return nil
}

// dnsText reports whether h is made of labels of letters, digits, - and _, at most 63 each; a final dot is fine.
func dnsText(h string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(h, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if lower := c | 0x20; (lower < 'a' || lower > 'z') && !digit(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// numeric reports whether the last label of h is a number. No top level domain is one, but resolvers read such names
// as addresses in forms of their own (127.1, 0x7f000001), and two spellings of one machine would pass for two.
func numeric(h string) bool {
	h = strings.TrimSuffix(h, ".")
	last := strings.ToLower(h[strings.LastIndexByte(h, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// LookedUp reports whether a server that is to connect to host asks its resolver about it. localhost it has in a file.
func LookedUp(host string) bool {
	if host == "" || strings.EqualFold(host, "localhost") {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// hostText is a host as texts hold it: an IPv6 address in brackets.
func hostText(h string) string {
	if strings.Contains(h, ":") {
		return "[" + h + "]"
	}
	return h
}

// splitColons splits at the colons that stand outside brackets.
func splitColons(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range []byte(s) {
		switch {
		case c == '[':
			depth++
		case c == ']' && depth > 0:
			depth--
		case c == ':' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// hostKey is a host as reservations compare it: lower-case, without a final dot, an IPv4 address in its own form.
func hostKey(h string) string {
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(h, "."))
}
