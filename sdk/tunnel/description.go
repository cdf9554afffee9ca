package tunnel

import (
	"fmt"
	"slices"
	"strconv"
)

// Bounds of what a module says of itself.
const (
	maxVersion = 64
	maxTitle   = 100
	maxHelp    = 500
	maxGrants  = 32
	maxGrant   = 200

	maxCapabilities = 32
)

// CheckDescription is every rule that a module's description obeys by itself, its schema excepted: it comes from a
// plugin, so the host trusts none of it. Fields are paths, like "slots[dc1].spec".
func CheckDescription(d Description) Findings {
	fs := CheckName(d.Name, MaxName).In("name")
	if Owner(d.Name) == Operator {
		fs = append(fs, find(PolicyRefused, "name", d.Name, "operator is not a name for a module",
			"choose another name"))
	}
	fs = append(fs, checkLine(d.Version, "version", maxVersion)...)
	fs = append(fs, d.checkSlots()...)
	for i, k := range d.Policy.Kinds {
		fs = append(fs, checkKind(k).At(at("policy.kinds", i))...)
	}
	fs = append(fs, checkRanges(d.Policy.Ports).In("policy")...)
	fs = append(fs, d.checkGrants()...)
	fs = append(fs, d.checkCapabilities()...)
	fs = append(fs, d.checkActions()...)
	return append(fs, d.checkJobs()...)
}

func (d Description) checkCapabilities() (fs Findings) {
	if n := len(d.Capabilities); n > maxCapabilities {
		return one(TooMany, "capabilities", strconv.Itoa(n), fmt.Sprintf("the module has %d capabilities", n), atMost(maxCapabilities))
	}
	for i, c := range d.Capabilities {
		fs = append(fs, CheckName(c, MaxName).At(at("capabilities", i))...)
	}
	return fs
}

// Can reports whether the module has a capability.
func (d Description) Can(capability string) bool { return slices.Contains(d.Capabilities, capability) }

func (d Description) checkSlots() Findings {
	if n := len(d.Slots); n > MaxMappings {
		return one(TooMany, "slots", strconv.Itoa(n), fmt.Sprintf("the module has %d slots", n),
			atMost(MaxMappings))
	}
	var fs Findings
	seen := map[string]bool{}
	for _, s := range d.Slots {
		sfs := CheckName(s.Name, MaxName).In("name")
		if seen[s.Name] {
			sfs = append(sfs, find(Exists, "name", s.Name, "there are two slots "+quoted(s.Name),
				"give each its own name"))
		}
		seen[s.Name] = true
		sfs = append(sfs, checkLine(s.Title, "title", maxTitle)...)
		sfs = append(sfs, checkRanges(s.Ports)...)
		sfs = append(sfs, s.checkDefaults()...)
		fs = append(fs, sfs.In("slots["+Clean(s.Name, MaxName)+"]")...)
	}
	return fs
}

// checkDefaults: the default spec fits the default kind; to another kind the operator may have to add a port.
func (s Slot) checkDefaults() Findings {
	if len(s.Kinds) == 0 {
		return one(Required, "kinds", "", "the slot says no kind", "give one of "+list(Kinds))
	}
	var fs Findings
	for i, k := range s.Kinds {
		fs = append(fs, checkKind(k).At(at("kinds", i))...)
	}
	if len(fs) > 0 {
		return fs
	}
	m, fs := ParseMapping(s.Kinds[0], s.Spec)
	if len(fs) == 0 && m.Name != "" {
		fs = one(Malformed, "", s.Spec, "the mapping of a slot is called like the slot", "leave out the name and =")
	}
	if len(fs) == 0 {
		fs = s.checkPort(m)
	}
	return fs.At("spec")
}
