package tunnel

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Compute makes the tunnel that d declares for a configuration of module m from the site in its settings: server, login
// and fingerprint are the site's; mappings are the slots that are on, each with its own default or the operator's
// choice, as far as the module's settings offer them at this site. A site without a server is no tunnel: the Tunnel is then the zero one, findings or not.
//
// Fields are settings keys, like "site.slots.dc1.spec". The name comes from configuration and d.Settings, whatever d.Ref
// says, so a declaration can reach no other tunnel; CheckDeclared is what refuses a false d.Ref.
func Compute(d Declaration, configuration string, m Description, site Site) (Tunnel, Findings) {
	t := Tunnel{
		Ref:  Ref{Owner(m.Name), SettingsName(configuration, d.Settings)},
		Node: Node, Configuration: configuration, Settings: d.Settings,
	}
	fs := append(m.offers(d.Slots), site.offers(d, m.Slots)...)
	sfs := append(t.takeSite(site), m.knows(site.Slots)...)
	sfs = append(sfs, t.fillSlots(d, m.Slots, site)...)
	fs = append(fs, sfs.In(d.Settings)...)
	if len(fs) > 0 || site.Server == "" {
		return Tunnel{}, fs
	}
	return t, nil
}

// offers refuses the slots of a declaration that the description the operator accepted does not have.
func (d Description) offers(names []string) Findings {
	if n := len(names); n > MaxMappings {
		return one(TooMany, "slots", strconv.Itoa(n), "too many slots in one declaration", atMost(MaxMappings))
	}
	var fs Findings
	for _, name := range names {
		if _, ok := slotNamed(d.Slots, name); !ok {
			fs = append(fs, find(PolicyRefused, "slots", name,
				"module "+Clean(d.Name, MaxName)+" has no slot "+quoted(name), slotsWayOut(d.Slots)))
		}
	}
	return fs
}

// Offers reports whether the module's settings offer a slot of that name at this site.
func (s Site) Offers(slot string) bool { return s.Offered == nil || slices.Contains(s.Offered, slot) }

// offers refuses the slots of a declaration that the module has and the site does not offer.
func (s Site) offers(d Declaration, has []Slot) Findings {
	var fs Findings
	for _, name := range d.Slots {
		if _, ok := slotNamed(has, name); ok && !s.Offers(name) {
			fs = append(fs, find(PolicyRefused, "slots", name, "the site "+Clean(d.Settings, shown)+" does not offer slot "+quoted(name),
				"it offers "+list(s.Offered)+": name the slot in the tag slots of its field, or do not ask for it"))
		}
	}
	return fs
}

// knows refuses settings of slots that the module does not have.
func (d Description) knows(settings map[string]SlotSettings) Findings {
	if n := len(settings); n > MaxMappings {
		return one(TooMany, "slots", strconv.Itoa(n), "the site has settings of too many slots", atMost(MaxMappings))
	}
	var fs Findings
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, ok := slotNamed(d.Slots, name); !ok {
			fs = append(fs, find(UnknownKey, "slots."+Clean(name, MaxName), name,
				"there is no slot "+quoted(name), slotsWayOut(d.Slots)))
		}
	}
	return fs
}

// fillSlots makes the mappings of the slots that are on and that d asks for, in the order of the description.
func (t *Tunnel) fillSlots(d Declaration, slots []Slot, site Site) Findings {
	var fs Findings
	for _, s := range slots {
		mapping, on, mfs := s.fill(site.Slots[s.Name])
		fs = append(fs, mfs.In("slots."+s.Name)...)
		if on && site.Offers(s.Name) && (len(d.Slots) == 0 || slices.Contains(d.Slots, s.Name)) {
			t.Mappings = append(t.Mappings, mapping)
		}
	}
	return fs
}

// takeSite reads what concerns the SSH server.
func (t *Tunnel) takeSite(site Site) Findings {
	var fs Findings
	if site.Server != "" {
		server, sfs := ParseServer(site.Server)
		t.Server, fs = server, sfs.At("server")
	}
	t.Login = LoginKey
	if site.Login != "" {
		t.Login = site.Login
		fs = append(fs, checkLogin(site.Login)...)
	}
	if site.Fingerprint != "" {
		fp, ffs := ParseFingerprint(site.Fingerprint)
		t.Fingerprint, fs = fp, append(fs, ffs.At("fingerprint")...)
	}
	via, vfs := ParseVia(site.Via)
	lan, lfs := ParseLAN(site.LAN)
	t.Via, t.LAN = via, lan
	return append(fs, append(vfs.At("via"), lfs.At("lan")...)...)
}

// fill makes the slot's mapping from its defaults and the operator's choices. These are checked even while the slot is
// off, so that switching it on later finds nothing new.
func (s Slot) fill(c SlotSettings) (m Mapping, on bool, fs Findings) {
	on = s.On
	if c.On != nil {
		on = *c.On
	}
	kind, spec := s.defaultKind(), s.Spec
	if c.Kind != "" {
		kind = c.Kind
		fs = s.checkKind(kind).At("kind")
	}
	if c.Spec != "" {
		spec = c.Spec
	}
	if len(fs) > 0 {
		return Mapping{}, on, fs
	}
	m, fs = ParseMapping(kind, spec)
	if m.Name != "" && m.Name != s.Name {
		fs = one(Malformed, "spec", spec, "the mapping of a slot is called like the slot",
			"leave out "+Clean(m.Name, MaxName)+"=")
	}
	m.Name, m.Slot = s.Name, s.Name
	lane, lfs := ParseLane(c.Lane)
	m.Lane = lane
	return m, on, append(fs.At("spec"), lfs.At("lane")...)
}

func (s Slot) defaultKind() Kind {
	if len(s.Kinds) == 0 {
		return ""
	}
	return s.Kinds[0]
}

// InSettings names the settings in findings about t's mappings, where t is a declared tunnel: an operator changes its
// ports at "site.slots.NAME.spec", not at "mappings[NAME].local.port". Findings about another tunnel stay.
func (t Tunnel) InSettings(fs Findings) Findings {
	if t.Configuration == "" {
		return fs
	}
	out := slices.Clone(fs)
	for i, f := range out {
		rest, ok := strings.CutPrefix(f.Field, "mappings[")
		if !ok {
			continue
		}
		if name, place, ok := strings.Cut(rest, "]."); ok {
			key := ".spec"
			if place == "kind" {
				key = ".kind"
			}
			out[i].Field = t.Settings + ".slots." + name + key
		}
	}
	return out
}
