package sdktest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// places are the sites that a test can name, each with its mappings: those of the configurations as they are set now, their
// slots switched off included, and the tunnels that the operator made for the module.
func (w *World) places() map[string][]string {
	all := map[string][]string{}
	for _, c := range w.all {
		for path, site := range settings.Sites(w.said.Schema, w.Settings(c.ref)) {
			all[siteOf(tunnel.Ref{Name: tunnel.SettingsName(c.ref.Name, path)})] = offered(w.said.Slots, site)
		}
	}
	for v, err := range w.As(w.owner()).List(context.Background()) {
		if err != nil || v.Ref.Owner != w.owner() || v.ManagedBy() != tunnel.ByOperator {
			continue
		}
		all[siteOf(v.Ref)] = nil
		for _, m := range v.Mappings {
			all[siteOf(v.Ref)] = append(all[siteOf(v.Ref)], m.Name)
		}
	}
	return all
}

func offered(slots []tunnel.Slot, site tunnel.Site) (names []string) {
	for _, s := range slots {
		if site.Offers(s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// checkSite says which sites there are where a test names none of them.
func (w *World) checkSite(site string) error {
	all := w.places()
	if _, ok := all[site]; ok {
		return nil
	}
	return unknown("site", site, slices.Sorted(maps.Keys(all)))
}

// checkMapping does so for SITE/MAPPING.
func (w *World) checkMapping(mapping string) error {
	site, name := wire.SplitMapping(mapping)
	if site == "" {
		return fmt.Errorf("%q is no mapping: write SITE/MAPPING, SITE being the key of the settings", mapping)
	}
	if err := w.checkSite(site); err != nil {
		return err
	}
	if names := w.places()[site]; !slices.Contains(names, name) {
		return unknown("mapping of site "+site, name, names)
	}
	return nil
}

// unknown says that there is no such thing, and what there is.
func unknown(what, name string, there []string) error {
	s := fmt.Sprintf("there is no %s %q", what, name)
	if len(there) == 0 {
		return fmt.Errorf("%s, and no other", s)
	}
	if like := tunnel.Nearest(name, there); like != "" {
		s += fmt.Sprintf(", did you mean %q?", like)
	}
	return fmt.Errorf("%s; there is %s", s, strings.Join(there, ", "))
}

// serviceNames refuses services of [Service] that no mapping has.
func (w *World) serviceNames(o options) error {
	for _, mapping := range slices.Sorted(maps.Keys(o.services)) {
		if site, _ := wire.SplitMapping(mapping); site == machine {
			continue
		}
		if err := w.checkMapping(mapping); err != nil {
			return fmt.Errorf("serve %s: %w", mapping, err)
		}
	}
	return nil
}
