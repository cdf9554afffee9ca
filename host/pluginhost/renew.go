package pluginhost

import (
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// renewEvery is how often a module is started anew at most because of what was replaced.
const renewEvery = time.Minute

// renewProcesses starts anew those that cannot reach what they need any more, because another file or directory lies in its
// place: what a network of their own finds names by, and what was granted in /run, which services make anew when they start.
func (h *Host) renewProcesses() {
	resolver := h.resolverNow()
	for _, m := range h.all() {
		m.renew(resolver)
	}
}

// renew does it for one module, at most every renewEvery, and not where no process could be started then.
func (m *module) renew(resolver map[string]inode) {
	m.mu.Lock()
	var p *running
	if _, why := m.blockedLocked(); why == nil && m.currentLocked() && time.Since(m.renewed) >= renewEvery {
		p = m.process
	}
	m.mu.Unlock()
	if p == nil {
		return
	}
	what := m.host.missed(p, resolver)
	if what == "" {
		return
	}
	done := false
	m.update(func() {
		if done = m.currentLocked() && m.process == p; done { // else it is another one by now
			m.renewed = time.Now()
			m.turn++
		}
	})
	if done {
		m.tellEffect("host", tunnel.Event{Message: what + ": its process cannot reach the new one, was ended, and is started anew", Fields: map[string]string{"process": Restarted}})
	}
}

// missed is what p cannot reach because it is new, in a clause, "" for nothing.
func (h *Host) missed(p *running, resolver map[string]inode) string {
	if p.resolver != nil {
		if file := lost(p.resolver, resolver); file != "" {
			return file + " was replaced"
		}
	}
	for _, g := range p.hidden {
		right, fs := tunnel.ParseGrant(g)
		if len(fs) > 0 || right.Path == "" || !slices.ContainsFunc(places(right.Path), inRun) {
			continue
		}
		f, err := h.openGranted(right)
		if err != nil {
			continue // it is gone and perhaps about to be made anew, or must not be opened
		}
		now, err := fileInode(f)
		f.Close()
		switch then, opened := p.opened[g]; {
		case err != nil || opened && then == now:
		case opened:
			return right.Path + " was replaced"
		default:
			return right.Path + " was made"
		}
	}
	return ""
}

func inRun(place string) bool { return strings.HasPrefix(place, "/run/") }
