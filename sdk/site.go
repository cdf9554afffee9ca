package sdk

import (
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Site is the far end in a module's settings: the SSH server, the proxy on the way there and, per slot, whether it is on,
// its kind, ports and lane. It looks the same in every module (R54). Its passwords never reach the module.
//
// The slots tag names the module's slots that a site offers, which are then the only ones its tunnel can have; without
// it a site offers all:
//
//	Site sdk.Site `json:"site" title:"Site" slots:"dc1-ldaps,dc2-ldaps"`
//
// Several sites of one shape are a map: `json:"sites"` of type map[string]sdk.Site.
type Site struct {
	tunnel.Site
	path string // in the settings
}

// SettingsMark makes a Site one in the settings' schema.
func (Site) SettingsMark() settings.Mark { return settings.Site }

// Tunnel asks for the tunnel of this site, with the mappings of these slots, none meaning all it offers. Where no server
// is set it asks for nothing: Declare passes over it.
func (s Site) Tunnel(slots ...Slot) tunnel.Declaration {
	if s.Server == "" {
		return tunnel.Declaration{}
	}
	d := tunnel.Declaration{Settings: s.path}
	for _, slot := range slots {
		d.Slots = append(d.Slots, slot.Name)
	}
	return d
}

// key is what the site is called among those of its configuration.
func (s Site) key() string {
	return strings.TrimPrefix(string(tunnel.SettingsName("", s.path)), ".")
}

// On reports whether this site has a mapping for the slot: a server is set, the site offers it, and the operator or else the slot's default
// has it on.
func (s Site) On(slot Slot) bool {
	if s.Server == "" || !s.Offers(slot.Name) {
		return false
	}
	if on := s.Slots[slot.Name].On; on != nil {
		return *on
	}
	return slot.On
}
