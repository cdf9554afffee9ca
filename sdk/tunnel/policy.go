package tunnel

import (
	"fmt"
	"slices"
	"strconv"
)

// CheckPolicy is R49: which mappings a module allows in tunnels of its name, operator-made ones included. A mapping that
// fills one of slots may have that slot's kinds and ports; any other needs a kind and a port that the policy allows. The
// operator's own tunnels may hold anything.
func CheckPolicy(t Tunnel, p Policy, slots []Slot) Findings {
	if p.Any || t.Ref.Owner == Operator {
		return nil
	}
	var fs Findings
	for i, m := range t.Mappings {
		fs = append(fs, p.check(m, t.Ref.Owner, slots).In(m.path(i))...)
	}
	return fs
}

func (p Policy) check(m Mapping, owner Owner, slots []Slot) Findings {
	module := Clean(string(owner), MaxName)
	if s, ok := slotNamed(slots, m.Slot); ok && m.Slot != "" {
		return append(s.checkKind(m.Kind), s.checkPort(m)...)
	}
	switch {
	case m.Slot != "":
		return one(PolicyRefused, "slot", m.Slot, fmt.Sprintf("module %s has no slot %s", module, quoted(m.Slot)),
			slotsWayOut(slots))
	case slices.Contains(p.Kinds, m.Kind):
		return p.checkPort(m, module)
	case len(p.Kinds) == 0:
		return one(PolicyRefused, "kind", string(m.Kind),
			fmt.Sprintf("module %s allows no mappings but its own slots", module),
			"add the tunnel under operator, which may have any mapping")
	}
	return one(PolicyRefused, "kind", string(m.Kind),
		fmt.Sprintf("module %s allows no %s mappings beside its slots", module, quoted(string(m.Kind))),
		fmt.Sprintf("use %s, or add the tunnel under operator", list(p.Kinds)))
}

func (p Policy) checkPort(m Mapping, module string) Findings {
	port, field := m.service()
	if port == 0 || allows(p.Ports, port) {
		return nil
	}
	return one(PolicyRefused, field, strconv.Itoa(port),
		fmt.Sprintf("module %s allows no %s mappings of port %d beside its slots", module, m.Kind, port),
		fmt.Sprintf("use %s, or add the tunnel under operator", list(rangeTexts(p.Ports))))
}

func slotNamed(slots []Slot, name string) (Slot, bool) {
	i := slices.IndexFunc(slots, func(s Slot) bool { return s.Name == name })
	if i < 0 {
		return Slot{}, false
	}
	return slots[i], true
}

func (s Slot) checkKind(k Kind) Findings {
	if fs := checkKind(k); len(fs) > 0 || slices.Contains(s.Kinds, k) {
		return fs
	}
	return one(PolicyRefused, "kind", string(k),
		fmt.Sprintf("slot %s cannot be of kind %s", Clean(s.Name, MaxName), k), "use "+list(s.Kinds))
}

// checkPort: a private expose mapping leads to the module itself, whose port there is none to choose.
func (s Slot) checkPort(m Mapping) Findings {
	port, field := m.service()
	if port == 0 || allows(s.Ports, port) {
		return nil
	}
	return one(PolicyRefused, field, strconv.Itoa(port),
		fmt.Sprintf("slot %s cannot have port %d", Clean(s.Name, MaxName), port), "use "+list(rangeTexts(s.Ports)))
}

func slotsWayOut(slots []Slot) string {
	if len(slots) == 0 {
		return "this module has no slots"
	}
	names := make([]string, len(slots))
	for i, s := range slots {
		names[i] = s.Name
	}
	return "use " + list(names)
}
