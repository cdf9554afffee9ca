package main

import (
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mirror keeps what a watch told, so that a removed tunnel is shown as it last was, and one that went while the reader
// had fallen behind is noticed.
type mirror struct {
	known  map[string]control.Tunnel
	before map[string]control.Tunnel // known before a resync, until it is synced again
	synced bool
}

// step is one thing to show.
type step struct {
	control.Tunnel
	removed bool
}

func newMirror() *mirror { return &mirror{known: map[string]control.Tunnel{}} }

// take takes a change in and returns what to show for it.
func (m *mirror) take(c control.Change) []step {
	switch tunnel.ChangeType(c.Type) {
	case tunnel.Present, tunnel.Changed:
		m.known[c.Tunnel.Ref()] = *c.Tunnel
		delete(m.before, c.Tunnel.Ref())
		return []step{{Tunnel: *c.Tunnel}}
	case tunnel.Removed:
		last, ok := m.known[c.Tunnel.Ref()]
		if !ok {
			last = *c.Tunnel
		}
		delete(m.known, c.Tunnel.Ref())
		return []step{{Tunnel: last, removed: true}}
	case tunnel.Resync:
		m.before, m.known, m.synced = m.known, map[string]control.Tunnel{}, false
	case tunnel.Synced:
		m.synced = true
		return m.gone()
	}
	return nil
}

// gone is what was known before a resync and did not come again.
func (m *mirror) gone() []step {
	var out []step
	for _, ref := range slices.Sorted(maps.Keys(m.before)) {
		out = append(out, step{Tunnel: m.before[ref], removed: true})
	}
	m.before = nil
	return out
}
