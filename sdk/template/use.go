package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Form is the grammar that Parse reads.
const Form = "[NAME=]ID[:gateway][@TARGET]"

const maxText = 512

// Use is one template as it is asked for.
type Use struct {
	Template Template
	Name     string // of the mapping, "" for the template's own
	Kind     tunnel.Kind
	Target   string // the host behind the SSH server, "" for the SSH server itself
}

// Parse reads [NAME=]ID[:gateway][@TARGET]: a template, with :gateway third parties get access too, where that is offered;
// TARGET is the host at the site that has the service, where it is not the SSH server. The findings have no field.
func Parse(text string) (Use, tunnel.Findings) {
	if len(text) > maxText {
		return Use{}, one(tunnel.TooLong, text, "the text of the template is too long", "write "+Form)
	}
	u, rest, fs := Use{}, text, tunnel.Findings(nil)
	if name, after, named := strings.Cut(rest, "="); named {
		u.Name, rest = name, after
		fs = tunnel.CheckName(name, tunnel.MaxName)
	}
	rest, target, aimed := strings.Cut(rest, "@")
	id, kind, chosen := strings.Cut(rest, ":")
	t, found := Find(id)
	if !found {
		return Use{}, append(fs, unknown(id))
	}
	u.Template, u.Kind = t, t.Kinds[0]
	if chosen {
		fs = append(fs, u.choose(kind)...)
	}
	if aimed {
		fs = append(fs, u.aim(target)...)
	}
	if len(fs) > 0 {
		return Use{}, fs
	}
	return u, nil
}

func (u *Use) choose(kind string) tunnel.Findings {
	const gateway = "gateway"
	switch {
	case kind != gateway:
		return one(tunnel.Malformed, kind, fmt.Sprintf("%q is nothing to choose of a template", tunnel.Clean(kind, 80)), "write :gateway, or leave out the colon")
	case len(u.Template.Kinds) < 2:
		return one(tunnel.PolicyRefused, kind, "template "+u.Template.ID+" is not offered to third parties",
			"leave out :gateway, or write the mapping yourself with --"+string(u.Template.Kinds[0])+"-gateway")
	}
	u.Kind = u.Template.Kinds[1]
	return nil
}

func (u *Use) aim(target string) tunnel.Findings {
	if u.Kind.Exposes() {
		return one(tunnel.Malformed, target, "template "+u.Template.ID+" shares a service of the PBX itself, so it has no target",
			"leave out @ and what follows, or write the mapping yourself with --"+string(u.Kind))
	}
	host, fs := tunnel.ParseHost(target)
	u.Target = host
	return fs
}

// unknown is the finding about an ID that nothing has, with the most similar one that something has.
func unknown(id string) tunnel.Finding {
	wayOut := "culvert template list shows them"
	if like := tunnel.Nearest(id, ids()); like != "" {
		wayOut = "did you mean " + like + "? " + wayOut
	}
	if id == "" {
		return one(tunnel.Required, id, "a template's ID is missing", wayOut)[0]
	}
	return one(tunnel.Malformed, id, fmt.Sprintf("there is no template %q", tunnel.Clean(id, 80)), wayOut)[0]
}

func ids() []string {
	out := make([]string, len(catalogue))
	for i, t := range catalogue {
		out[i] = t.ID
	}
	return out
}

// mappings are what u stands for.
func (u Use) mappings() []tunnel.Mapping {
	out := make([]tunnel.Mapping, len(u.Template.Ports))
	for i, p := range u.Template.Ports {
		name := p.Name
		if u.Name != "" {
			name = u.Name + strings.TrimPrefix(p.Name, u.Template.ID)
		}
		out[i] = tunnel.Mapping{Name: name, Kind: u.Kind, Local: tunnel.Endpoint{Port: p.Local}, Remote: tunnel.Endpoint{Host: u.Target, Port: p.Remote}}
	}
	return out
}

// Names reports whether u asks for a mapping of exactly that name, which then takes the place of a former one.
func (u Use) Names(name string) bool {
	return u.Name != "" && slices.ContainsFunc(u.mappings(), func(m tunnel.Mapping) bool { return m.Name == name })
}

// Insert gives list with the mappings of uses behind it (R76). A name of a template's own that is taken becomes NAME-2,
// -3, ...; a listening port that the list has already becomes the next free one 1000 higher. What other tunnels have is
// not looked at. warnings say what is not as the template proposes, and what such a service brings with it.
func Insert(list []tunnel.Mapping, uses []Use) (out []tunnel.Mapping, warnings []string) {
	out = slices.Clone(list)
	for _, u := range uses {
		var names []string
		for _, m := range u.mappings() {
			if u.Name == "" {
				m.Name = freeName(out, m.Name)
			}
			if moved, was := freePort(out, m); moved != m {
				warnings = append(warnings, fmt.Sprintf("mapping %s: port %d is taken in this tunnel, so it has %d", m.Name, was, listening(moved)))
				m = moved
			}
			out, names = append(out, m), append(names, m.Name)
		}
		warnings = append(warnings, u.warnings(strings.Join(names, " and "))...)
	}
	return out, warnings
}

func (u Use) warnings(names string) []string {
	var ws []string
	if u.Template.UDPPart {
		ws = append(ws, fmt.Sprintf("mapping %s: %s has a UDP part too, which no tunnel carries", names, u.Template.Title))
	}
	if u.Template.ExposesLAN {
		ws = append(ws, fmt.Sprintf("mapping %s: whoever may log in there can go on into the PBX's own network", names))
	}
	return ws
}

func freeName(list []tunnel.Mapping, name string) string {
	free := name
	for n := 2; slices.ContainsFunc(list, func(m tunnel.Mapping) bool { return m.Name == free }); n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	return free
}

// freePort is m at a listening port that no mapping of list has, and the port it had. Where there is none m stays, and the
// collision is a finding.
func freePort(list []tunnel.Mapping, m tunnel.Mapping) (moved tunnel.Mapping, was int) {
	was = listening(m)
	for port := was; port <= 65535; port += 1000 {
		if taken := slices.ContainsFunc(list, func(o tunnel.Mapping) bool {
			return o.Name != m.Name && o.Kind.Reaches() == m.Kind.Reaches() && listening(o) == port
		}); taken {
			continue
		}
		if m.Kind.Reaches() {
			m.Local.Port = port
		} else {
			m.Remote.Port = port
		}
		break
	}
	return m, was
}

// listening is the port that m listens at: the PBX's of a reach kind, the SSH server's of an expose kind.
func listening(m tunnel.Mapping) int {
	if m.Kind.Reaches() {
		return m.Local.Port
	}
	return m.Remote.Port
}

func one(code tunnel.Code, value, message, wayOut string) tunnel.Findings {
	return tunnel.Findings{{Code: code, Value: tunnel.Clean(value, 80), Message: message, WayOut: wayOut}}
}
