package tunneltest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tunnels are all the tunnels that come of s, in the order of their names, and what hindered any.
func (s *state) tunnels() ([]tunnel.Tunnel, tunnel.Findings) {
	ts := slices.Collect(maps.Values(s.made))
	var fs tunnel.Findings
	for ref, c := range s.configurations {
		m := s.modules[ref.Module]
		for _, d := range c.declared {
			site, ok := c.sites[d.Settings]
			if !ok {
				fs = append(fs, noSite(d))
				continue
			}
			t, tfs := tunnel.Compute(d, ref.Name, m, site)
			fs = append(fs, tfs...)
			if t.Server != (tunnel.Server{}) {
				t.Pin = tunnel.Pin{State: tunnel.PinNone}
				ts = append(ts, t)
			}
		}
	}
	for i := range ts {
		ts[i].Suspended = s.suspended[ts[i].Ref]
	}
	slices.SortFunc(ts, func(a, b tunnel.Tunnel) int { return a.Ref.Compare(b.Ref) })
	return ts, fs
}

func noSite(d tunnel.Declaration) tunnel.Finding {
	path := tunnel.Clean(d.Settings, 80)
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: "settings", Value: path,
		Message: fmt.Sprintf("the settings have no site %q", path), WayOut: "declare a site that the settings hold",
	}
}

// check applies to a draft every rule that a change from former could break.
func (s *state) check(former state) error {
	now, fs := s.tunnels()
	was, _ := former.tunnels()
	for _, t := range now {
		unchanged := func(o tunnel.Tunnel) bool {
			return o.Ref == t.Ref && reflect.DeepEqual(o.Mappings, t.Mappings) && o.Server == t.Server && o.Via == t.Via && o.LAN == t.LAN
		}
		if slices.ContainsFunc(was, unchanged) {
			continue
		}
		m := s.modules[t.Ref.Owner]
		tfs := append(tunnel.Check(t), tunnel.CheckPolicy(t, m.Policy, m.Slots)...)
		tfs = append(tfs, tunnel.Collisions(t, slices.Values(now))...)
		fs = append(fs, t.InSettings(tfs)...)
	}
	return fs.Err()
}

// stand is the lifecycle rule with this state's circumstances.
func (s *state) stand(t tunnel.Tunnel) tunnel.Wanted {
	c := tunnel.Circumstances{Installed: true, Enabled: true}
	if t.Ref.Owner != tunnel.Operator {
		_, known := s.modules[t.Ref.Owner]
		c.Installed, c.Enabled = known && !s.missing[t.Ref.Owner], false
		for ref, conf := range s.configurations {
			if ref.Module != t.Ref.Owner || t.Configuration != "" && ref.Name != t.Configuration {
				continue
			}
			c.Enabled = c.Enabled || conf.enabled
			c.Idle = max(c.Idle, ref.Name)
		}
	}
	return tunnel.Stand(t, c)
}
