package tunneltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// state is what shall be: everything the real registry keeps on disk.
type state struct {
	revision       uint64 // of the change in the making
	modules        map[tunnel.Owner]tunnel.Description
	missing        map[tunnel.Owner]bool
	configurations map[tunnel.ConfigurationRef]configuration
	made           map[tunnel.Ref]tunnel.Tunnel
	suspended      map[tunnel.Ref]bool
}

// configuration is one set of settings with what the module declared from it.
type configuration struct {
	settings json.RawMessage
	sites    map[string]tunnel.Site // in them, by path
	enabled  bool
	declared []tunnel.Declaration
}

func newState() state {
	return state{
		modules:        map[tunnel.Owner]tunnel.Description{},
		missing:        map[tunnel.Owner]bool{},
		configurations: map[tunnel.ConfigurationRef]configuration{},
		made:           map[tunnel.Ref]tunnel.Tunnel{},
		suspended:      map[tunnel.Ref]bool{},
	}
}

// clone is a copy to change; what the maps hold is replaced, never written into.
func (s state) clone() state {
	return state{
		modules: maps.Clone(s.modules), missing: maps.Clone(s.missing), configurations: maps.Clone(s.configurations),
		made: maps.Clone(s.made), suspended: maps.Clone(s.suspended),
	}
}

// install replaces a module's description and reads its configurations anew.
func (s *state) install(d tunnel.Description) {
	s.modules[tunnel.Owner(d.Name)] = d
	for ref, c := range s.configurations {
		if ref.Module == tunnel.Owner(d.Name) {
			c.sites = settings.Sites(d.Schema, c.settings)
			s.configurations[ref] = c
		}
	}
}

func (s *state) configure(ref tunnel.ConfigurationRef, doc json.RawMessage) error {
	m, ok := s.modules[ref.Module]
	if !ok {
		return fmt.Errorf("configure %s: module %s: %w", ref, ref.Module, tunnel.ErrNotFound)
	}
	c, known := s.configurations[ref]
	if !known {
		c.enabled = true
	}
	shown, secrets := settings.Part(m.Schema, doc)
	if len(doc) == 0 {
		doc = shown
	}
	if err := settings.Check(m.Schema, doc).Err(); err != nil {
		return err
	}
	_, before := settings.Part(m.Schema, c.settings)
	maps.Copy(before, secrets)
	c.settings = settings.Join(m.Schema, shown, before)
	c.sites = settings.Sites(m.Schema, c.settings)
	s.configurations[ref] = c
	return checkSites(ref, m, c.sites).Err()
}

// checkSites finds what is wrong with a site when it is set, not only when it is declared.
func checkSites(ref tunnel.ConfigurationRef, m tunnel.Description, sites map[string]tunnel.Site) tunnel.Findings {
	var fs tunnel.Findings
	for _, path := range slices.Sorted(maps.Keys(sites)) {
		_, tfs := tunnel.Compute(tunnel.Declaration{Settings: path}, ref.Name, m, sites[path])
		fs = append(fs, tfs...)
	}
	return fs
}

func (s *state) unconfigure(ref tunnel.ConfigurationRef) error {
	if _, ok := s.configurations[ref]; !ok {
		return tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
	}
	for t := range s.suspended {
		if t.Owner == ref.Module && s.of(t) == ref {
			delete(s.suspended, t)
		}
	}
	delete(s.configurations, ref)
	return nil
}

// of is the configuration that declared a tunnel of that name; none for an operator-made one.
func (s *state) of(t tunnel.Ref) tunnel.ConfigurationRef {
	for ref, c := range s.configurations {
		for _, d := range c.declared {
			if d.Ref == t {
				return ref
			}
		}
	}
	return tunnel.ConfigurationRef{}
}

func (s *state) declare(ref tunnel.ConfigurationRef, set []tunnel.Declaration) error {
	c, ok := s.configurations[ref]
	if !ok {
		return tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
	}
	c.declared = make([]tunnel.Declaration, len(set))
	for i, d := range set {
		d.Slots = slices.Clone(d.Slots)
		c.declared[i] = d
	}
	s.configurations[ref] = c
	return nil
}

func (s *state) add(t tunnel.Tunnel) error {
	if _, ok := s.modules[t.Ref.Owner]; !ok && t.Ref.Owner != tunnel.Operator {
		return fmt.Errorf("add %s: module %s is not installed: %w", t.Ref, t.Ref.Owner, tunnel.ErrNotFound)
	}
	if _, ok := s.made[t.Ref]; ok {
		return tunnel.Findings{{Code: tunnel.Exists, Field: "name", Value: t.Ref.String(),
			Message: "there is a tunnel " + t.Ref.String() + " already"}}
	}
	t.Mappings = slices.Clone(t.Mappings)
	tunnel.NameMappings(t.Mappings)
	if t.Login == "" {
		t.Login = tunnel.LoginKey
	}
	t.Node, t.Configuration, t.Settings, t.Revision = tunnel.Node, "", "", s.revision
	t.Pin = tunnel.Pin{State: tunnel.PinNone}
	s.suspended[t.Ref] = t.Suspended
	s.made[t.Ref] = t
	return nil
}

func (s *state) remove(ref tunnel.Ref) error {
	if _, ok := s.made[ref]; ok {
		delete(s.made, ref)
		delete(s.suspended, ref)
		return nil
	}
	by := s.of(ref)
	c, ok := s.configurations[by]
	switch {
	case !ok:
		return tunnel.Findings{tunnel.NotFoundFinding(ref)}
	case !s.missing[ref.Owner]:
		return tunnel.Findings{{
			Code: tunnel.ManagedByModule, Field: "tunnel", Value: ref.String(),
			Message: ref.String() + " follows the settings of " + by.String(),
			WayOut:  "culvert config set " + by.String(),
		}}
	}
	c.declared = slices.DeleteFunc(slices.Clone(c.declared), func(d tunnel.Declaration) bool { return d.Ref == ref })
	s.configurations[by] = c
	return nil
}
