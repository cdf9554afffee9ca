package tunnel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the ports from First to Last, both included. Its text is "636", or "5060-5080" for more than one. The zero
// PortRange holds no port.
type PortRange struct{ First, Last int }

// ParsePortRange reads the text of a PortRange. Its findings have no field.
func ParsePortRange(s string) (PortRange, Findings) {
	low, high, several := strings.Cut(s, "-")
	first, fs := parsePort(low, "")
	last := first
	if several {
		var lfs Findings
		last, lfs = parsePort(high, "")
		fs = append(fs, lfs...)
	}
	r := PortRange{first, last}
	if len(fs) == 0 {
		fs = r.check()
	}
	if len(fs) > 0 {
		return PortRange{}, fs
	}
	return r, nil
}

func (r PortRange) check() Findings {
	fs := checkPort(r.First, strconv.Itoa(r.First), "")
	if r.Last != r.First {
		fs = append(fs, checkPort(r.Last, strconv.Itoa(r.Last), "")...)
	}
	if len(fs) == 0 && r.Last < r.First {
		fs = one(OutOfRange, "", r.String(), "the range "+r.String()+" ends before it begins", "write the lower port first, like 5060-5080")
	}
	return fs
}

// Contains reports whether port is in r.
func (r PortRange) Contains(port int) bool { return r.First <= port && port <= r.Last }

// String is the text that ParsePortRange reads back.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// MarshalText is String.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParsePortRange.
func (r *PortRange) UnmarshalText(text []byte) error {
	parsed, fs := ParsePortRange(string(text))
	*r = parsed
	return fs.Err()
}

const maxRanges = 64 // of one slot or policy

// checkRanges bounds and checks the port ranges of a description.
func checkRanges(rs []PortRange) Findings {
	if n := len(rs); n > maxRanges {
		return one(TooMany, "ports", strconv.Itoa(n), fmt.Sprintf("there are %d port ranges", n), atMost(maxRanges))
	}
	var fs Findings
	for i, r := range rs {
		fs = append(fs, r.check().At(at("ports", i))...)
	}
	return fs
}

// allows reports whether ports leave room for port; none at all leave room for every port.
func allows(ports []PortRange, port int) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(r PortRange) bool { return r.Contains(port) })
}

// service is the port of the service behind m and the field it stands in: of a reach kind the remote port, of an expose
// kind the local one, 0 where the module itself is the service.
func (m Mapping) service() (port int, field string) {
	if m.Kind.Exposes() {
		return m.Local.Port, "local.port"
	}
	return m.Remote.Port, "remote.port"
}

func rangeTexts(rs []PortRange) []string {
	texts := make([]string, len(rs))
	for i, r := range rs {
		texts[i] = r.String()
	}
	return texts
}
