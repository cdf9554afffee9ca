// Package template is the catalogue of well-known services whose mappings an operator need not work out (R75-R78): those
// of a PBX that a site may use, and those of a site that a PBX uses.
//
// CLI and control API read and expand it. A template is inserted once (R76): what comes of it are ordinary mappings, which
// the operator changes as they like, and nothing remembers where they came from. All terms are from the PBX's point of
// view. Titles and notes are English; other languages are catalogues of their own, by ID.
//
// Services whose port everybody chooses for themselves have no template: that is what a mapping is for.
package template

import (
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Group is the side whose services a template is about.
type Group string

// The groups, in the order they are shown.
const (
	PBX  Group = "pbx"  // share PBX services (R77)
	Site Group = "site" // reach services of the site (R78)
)

// Title is the group's name for people.
func (g Group) Title() string {
	if g == PBX {
		return "Share services of the PBX"
	}
	return "Reach services at the site"
}

// Probe is how a service of its kind shows that it is there. It tells a reader what to expect: the host itself asks every
// target alike, by connecting.
type Probe string

// The probes.
const (
	TCP    Probe = "tcp"    // it takes the connection
	TLS    Probe = "tls"    // it answers a TLS handshake
	Banner Probe = "banner" // it speaks first
)

// Template is one well-known service.
type Template struct {
	ID    string        `json:"id"`
	Title string        `json:"title"`
	Group Group         `json:"group"`
	Kinds []tunnel.Kind `json:"kinds"` // the default first; the other one, where there is one, lets third parties in
	Ports []Ports       `json:"ports"` // one mapping each, at least one

	UDPPart    bool     `json:"udp_part"`    // the protocol has a UDP part, which a tunnel does not carry
	ExposesLAN bool     `json:"exposes_lan"` // whoever may use the service gets into the network behind it
	Probe      Probe    `json:"probe"`
	Notes      []string `json:"notes"` // what its user should know, in whole sentences without a full stop
}

// Ports are the default ports of one mapping. Both are proposals.
type Ports struct {
	Name   string `json:"name"`  // of the mapping, unless the operator gives another
	Local  int    `json:"local"` // of the PBX
	Remote int    `json:"remote"`
}

// All are the templates, grouped and in the order they are shown. The caller may change what it gets.
func All() []Template {
	out := slices.Clone(catalogue)
	for i, t := range out {
		t.Kinds, t.Ports = slices.Clone(t.Kinds), slices.Clone(t.Ports)
		t.Notes = append([]string{}, t.Notes...)
		out[i] = t
	}
	return out
}

// Find is the template of that ID.
func Find(id string) (Template, bool) {
	all := All()
	if i := slices.IndexFunc(all, func(t Template) bool { return t.ID == id }); i >= 0 {
		return all[i], true
	}
	return Template{}, false
}
