package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// HasSites reports whether documents of the schema may hold sites.
func HasSites(schema json.RawMessage) bool {
	root, err := parse(schema)
	return err == nil && root.any(func(n *node) bool { return n.Mark == Site })
}

// Sites are the sites of a document by path ("site", "sites.rome", "branches.rome.site"), those included that the
// document says nothing of: every site of the schema outside a map. What does not fit the schema is passed over.
func Sites(schema, doc json.RawMessage) map[string]tunnel.Site {
	sites := map[string]tunnel.Site{}
	root, d := both(schema, doc)
	root.walk(d, nil, func(n *node, v any, path []string) {
		if n.Mark != Site {
			return
		}
		o, _ := v.(document)
		var s tunnel.Site
		if o != nil {
			known := maps.Clone(o)
			delete(known, "password")
			delete(known, "via_password")
			if json.Unmarshal(encode(known), &s) != nil {
				s = tunnel.Site{}
			}
		}
		s.Offered = n.Slots
		sites[dotted(path)] = s
	})
	return sites
}

// checkSlots finds a site that offers a slot which the module does not have.
func (n *node) checkSlots(path string, slots []string) error {
	for _, name := range n.Slots {
		if !slices.Contains(slots, name) {
			return fmt.Errorf("the site %s offers slot %q, which the module does not have; it has %s", path, tunnel.Clean(name, maxKey), named(slots))
		}
	}
	for _, p := range n.Properties {
		if err := p.checkSlots(join(path, p.key), slots); err != nil {
			return err
		}
	}
	if n.Others != nil && n.Others.entry != nil {
		return n.Others.entry.checkSlots(join(path, "*"), slots)
	}
	return nil
}

func named(slots []string) string {
	if len(slots) == 0 {
		return "none"
	}
	return strings.Join(slots, ", ")
}

// both reads schema and document where either may be unfit; what is read of an unfit one is empty.
func both(schema, doc json.RawMessage) (*node, document) {
	root, err := parse(schema)
	if err != nil {
		root = &node{Type: "object", Others: &others{}}
	}
	d, _ := read(doc)
	return root, d
}

// walk calls f for n and all that stands below it, v being the value there or nil. Entries of maps come in order of
// their keys.
func (n *node) walk(v any, path []string, f func(n *node, v any, path []string)) {
	f(n, v, path)
	if n.Type != "object" {
		return
	}
	o, _ := v.(document)
	for _, p := range n.Properties {
		p.walk(o[p.key], append(slices.Clip(path), p.key), f)
	}
	if n.Others == nil || n.Others.entry == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if n.Properties.get(key) == nil {
			n.Others.entry.walk(o[key], append(slices.Clip(path), key), f)
		}
	}
}

func dotted(path []string) string {
	s := ""
	for _, key := range path {
		s = join(s, key)
	}
	return s
}

// sites checks what a schema cannot say of sites: the grammar of their texts, and that no two would have one name.
func (c *checker) sites() {
	named := map[tunnel.Name]string{}
	c.root.walk(c.doc, nil, func(n *node, v any, path []string) {
		if n.Mark != Site {
			return
		}
		at := c.field(path)
		name := tunnel.SettingsName("", dotted(path))
		fs := tunnel.CheckName(string(name[1:]), tunnel.MaxSite)
		c.findings = append(c.findings, fs.At(at)...)
		if other, taken := named[name]; taken {
			c.findings = append(c.findings, finding(tunnel.Exists, at, string(name[1:]),
				at+" and "+other+" would make tunnels of one name", "rename one of them"))
		}
		named[name] = at
		c.texts(v, at)
	})
}

func (c *checker) texts(v any, at string) {
	o, _ := v.(document)
	if s, _ := o["server"].(string); s != "" {
		_, fs := tunnel.ParseServer(s)
		c.findings = append(c.findings, fs.At(join(at, "server"))...)
	}
	if s, _ := o["fingerprint"].(string); s != "" {
		_, fs := tunnel.ParseFingerprint(s)
		c.findings = append(c.findings, fs.At(join(at, "fingerprint"))...)
	}
	if s, _ := o["via"].(string); s != "" {
		_, fs := tunnel.ParseVia(s)
		c.findings = append(c.findings, fs.At(join(at, "via"))...)
	}
	if s, _ := o["lan"].(string); s != "" {
		_, fs := tunnel.ParseLAN(s)
		c.findings = append(c.findings, fs.At(join(at, "lan"))...)
	}
}
