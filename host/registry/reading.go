package registry

import (
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// reading is a family as the description of its module makes it read: what tunnels come of it and where they lead.
type reading struct {
	*family
	module *moduleRecord // nil where none is known
	sites  map[string]tunnel.Site
}

// under reads f by m. It parses schema and settings; a draft keeps what it read, see draft.reading.
func (f *family) under(m *moduleRecord) reading {
	r := reading{family: f, module: m}
	if f.configuration != nil && m != nil {
		r.sites = settings.Sites(m.Description.Schema, f.configuration.Settings)
	}
	return r
}

// place is where one tunnel of a family leads, declared or not yet.
type place struct {
	server      tunnel.Server
	via         tunnel.Via
	fingerprint string
	settings    string // path of its site, "" where it has none
}

// places are the servers that the family's records lead to, by the names of their tunnels. A site without a server, or
// with one that cannot be read, has the zero one.
func (r reading) places() map[tunnel.Name]place {
	if r.made != nil {
		return map[tunnel.Name]place{r.ref().Name: {server: tunnel.Server(r.made.Server), fingerprint: r.made.Fingerprint}}
	}
	places := map[tunnel.Name]place{}
	for path, s := range r.sites {
		p := placeOf(s)
		p.settings = path
		places[tunnel.SettingsName(string(r.ref().Name), path)] = p
	}
	return places
}

func placeOf(s tunnel.Site) place {
	server, fs := tunnel.ParseServer(s.Server)
	if len(fs) > 0 {
		server = tunnel.Server{}
	}
	fingerprint, fs := tunnel.ParseFingerprint(s.Fingerprint)
	if len(fs) > 0 {
		fingerprint = ""
	}
	via, _ := tunnel.ParseVia(s.Via) // the zero one with findings
	return place{server: server, via: via, fingerprint: fingerprint}
}

func noSite(path string) tunnel.Finding {
	shown := tunnel.Clean(path, 80)
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: "settings", Value: shown,
		Message: fmt.Sprintf("the settings have no site %q", shown), WayOut: "declare a site that the settings hold",
	}
}

// unreadablePin stands for a pin whose record is damaged. No key is like it, so the tunnel stays blocked until a person
// accepts the key the server really shows; to learn a key anew unasked would trust whoever answers.
var unreadablePin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "unreadable", Fingerprint: "SHA256:unreadable"}

// tunnels are the tunnels of the family in the order of their names, and what hindered declared ones.
func (r reading) tunnels() (ts []tunnel.Tunnel, fs tunnel.Findings) {
	if r.made != nil {
		ts = append(ts, r.made.tunnel(r.ref()))
	}
	if r.configuration != nil && r.module != nil {
		ts, fs = r.computed()
	}
	for i := range ts {
		r.finish(&ts[i])
	}
	return ts, fs
}

// computed are the declared tunnels: each from its declaration, the settings and the description of the module.
func (r reading) computed() (ts []tunnel.Tunnel, fs tunnel.Findings) {
	for _, name := range slices.Sorted(maps.Keys(r.declared)) {
		t, tfs := r.compute(name)
		fs = append(fs, tfs...)
		if t.Ref.Name != "" {
			ts = append(ts, t)
		}
	}
	return ts, fs
}

func (r reading) compute(name tunnel.Name) (tunnel.Tunnel, tunnel.Findings) {
	d := r.declared[name]
	site, ok := r.sites[d.Settings]
	if !ok {
		return tunnel.Tunnel{}, tunnel.Findings{noSite(d.Settings)}
	}
	return tunnel.Compute(tunnel.Declaration{
		Ref: tunnel.Ref{Owner: r.owner(), Name: name}, Settings: d.Settings, Slots: d.Slots,
	}, string(r.ref().Name), r.module.Description, site)
}

// finish adds what operator and host say of a tunnel. What they said and cannot be read counts as the careful answer: a
// tunnel that may be suspended is, a key that may be pinned is one that no server has.
func (f *family) finish(t *tunnel.Tunnel) {
	o := f.overlays[t.Ref.Name]
	t.Suspended = o.Suspended || f.damaged[overlayPrefix]
	t.AcceptWider = o.AcceptWider
	t.Pin = tunnel.Pin{State: tunnel.PinNone}
	if f.damaged[pinPrefix] {
		t.Pin = unreadablePin
	}
	if p, ok := f.pins[t.Ref.Name]; ok && tunnel.Server(p.Server) == t.Server {
		t.Pin = tunnel.Pin{State: p.State, KeyType: p.KeyType, Fingerprint: p.Fingerprint}
	}
}
