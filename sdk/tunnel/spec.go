package tunnel

import (
	"fmt"
	"strconv"
	"strings"
)

// How a SPEC is written, local side first.
const (
	reachForm  = "[LPORT]:[TARGET:]RPORT, like 1389:389, 1389:dc1.example.org:389 or :389"
	exposeForm = "[HOST:]LPORT:RPORT or :RPORT, like 9100:9100 or 192.0.2.7:80:10080"
)

// form is how a SPEC of kind k is written.
func form(k Kind) string {
	if k.Reaches() {
		return reachForm
	}
	return exposeForm
}

// ParseMapping reads MAPPING, [NAME=]SPEC, in the grammar of its kind (R29-R34, R36, R37). Without NAME= the name stays
// empty: NameMappings gives one. Findings name the fields "kind", "name", "local.host", "local.port", "remote.host" and
// "remote.port", or none for the shape; a Mapping comes back only without findings.
func ParseMapping(kind Kind, text string) (Mapping, Findings) {
	m := Mapping{Kind: kind}
	if !kind.Valid() {
		return Mapping{}, checkKind(kind)
	}
	if len(text) > maxText {
		return Mapping{}, one(TooLong, "", text, "the mapping's text is too long", "write "+form(kind))
	}
	var fs Findings
	spec := text
	if name, rest, named := strings.Cut(text, "="); named {
		m.Name, spec = name, rest
		fs = CheckName(name, MaxName).In("name")
	}
	fs = append(fs, m.parseSpec(spec)...)
	if len(fs) > 0 {
		return Mapping{}, fs
	}
	return m, nil
}

func checkKind(k Kind) Findings {
	if k.Valid() {
		return nil
	}
	code := Malformed
	if k == "" {
		code = Required
	}
	return one(code, "kind", string(k), quoted(string(k))+" is not a kind of mapping", "give one of "+list(Kinds))
}

// parseSpec reads the ends of m. Both grammars are PORT:PORT with a host put in: before the last port for a reach kind,
// before the first for an expose kind.
func (m *Mapping) parseSpec(spec string) Findings {
	parts := splitColons(spec)
	if len(parts) < 2 || len(parts) > 3 {
		return one(Malformed, "", spec, quoted(spec)+" is not a mapping of kind "+string(m.Kind), "write "+form(m.Kind))
	}
	var fs Findings
	if len(parts) == 3 {
		at, end, field := 1, &m.Remote, "remote.host"
		if m.Kind.Exposes() {
			at, end, field = 0, &m.Local, "local.host"
		}
		host, hfs := parseHost(parts[at], field)
		end.Host, fs = host, hfs
		parts = append(parts[:at:at], parts[at+1:]...)
	}
	if parts[0] != "" {
		port, pfs := parsePort(parts[0], "local.port")
		m.Local.Port, fs = port, append(fs, pfs...)
	} else {
		fs = append(fs, m.checkPrivate()...)
	}
	port, pfs := parsePort(parts[1], "remote.port")
	m.Remote.Port = port
	return append(fs, pfs...)
}

// checkPrivate says where a mapping may not go without a local port: hosts connected to the PBX have no other way in,
// and a host of the PBX's own network has no socket in a module's directory.
func (m Mapping) checkPrivate() Findings {
	switch {
	case m.Kind == ReachGateway:
		return one(Required, "local.port", "", "a reach-gateway mapping needs a local port for the hosts that use it",
			"put the port before the first colon, like 1389:389")
	case m.Local.Host != "":
		return one(Required, "local.port", "", fmt.Sprintf("the port of %s is missing", Clean(m.Local.Host, shown)),
			"put the port after the host, like 192.0.2.7:80:10080")
	}
	return nil
}

// Spec is the SPEC text that ParseMapping reads back.
func (m Mapping) Spec() string {
	local, remote := "", strconv.Itoa(m.Remote.Port)
	if m.Local.Port != 0 {
		local = strconv.Itoa(m.Local.Port)
	}
	if m.Local.Host != "" {
		local = hostText(m.Local.Host) + ":" + local
	}
	if m.Remote.Host != "" {
		remote = hostText(m.Remote.Host) + ":" + remote
	}
	return local + ":" + remote
}

// String is the MAPPING text, NAME=SPEC.
func (m Mapping) String() string {
	if m.Name == "" {
		return m.Spec()
	}
	return m.Name + "=" + m.Spec()
}

// NameMappings names the nameless ones of ms KIND-RPORT, or KIND-RPORT-2, -3, ... where that is taken.
func NameMappings(ms []Mapping) {
	taken := map[string]bool{}
	for _, m := range ms {
		taken[m.Name] = true
	}
	for i := range ms {
		if ms[i].Name != "" {
			continue
		}
		base := fmt.Sprintf("%s-%d", ms[i].Kind, ms[i].Remote.Port)
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[name] = true
		ms[i].Name = name
	}
}
