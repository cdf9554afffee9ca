package pluginhost

import (
	"path/filepath"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Sandbox is how modules are confined on this machine.
type Sandbox struct {
	Level   string // full, partial or none
	Message string // what a module can do because of what is missing; "" at level full
	Remedy  string
}

func (h *Host) confinement() Sandbox {
	why, remedy := h.support.Lack()
	return Sandbox{Level: string(h.support.Level()), Message: why, Remedy: remedy}
}

// confineAll prepares what confines all modules, and tells how they are confined, loudly where something is missing.
func (h *Host) confineAll() {
	s := h.confinement()
	if s.Message != "" {
		h.cfg.Log.Warn("modules are not fully confined: "+s.Message, "sandbox", s.Level, "remedy", s.Remedy)
	}
	var err error
	if h.cages, err = sandbox.Delegated(); err != nil {
		h.cfg.Log.Info("modules are confined", "sandbox", s.Level, "landlock", h.support.Landlock, "memory", "bounded for each process", "why", err)
		return
	}
	h.cfg.Log.Info("modules are confined", "sandbox", s.Level, "landlock", h.support.Landlock, "memory", "bounded for each module")
}

// cage is a control group for a process of the module, nil where there are none.
func (h *Host) cage(name tunnel.Owner) *sandbox.Group {
	if h.cages == nil {
		return nil
	}
	g, err := h.cages.Make(string(name))
	if err != nil {
		h.cfg.Log.Warn("module runs without a control group", "module", name, "error", err)
		return nil
	}
	return g
}

// sandbox is what a process of the module may use: the module's own directories, those of its listeners and of its wire
// to the host, and what the operator granted.
func (h *Host) sandbox(m *module, wire string, granted []tunnel.Grant) sandbox.Plan {
	p := sandbox.Plan{
		Own:     []string{h.stateDir(m.name)},
		Sockets: []string{wire, h.sockets.Listeners(m.name)},
	}
	for _, g := range granted {
		right, fs := tunnel.ParseGrant(g)
		if len(fs) > 0 {
			m.log.say("the grant %q is left out: %v", g, fs)
			continue
		}
		switch right.Kind {
		case tunnel.GrantNetwork:
			p.Network = true
		case tunnel.GrantPrograms:
			p.Programs = true
		case tunnel.GrantRead:
			p.Read = append(p.Read, h.open(m, right)...)
		case tunnel.GrantWrite:
			p.Write = append(p.Write, h.open(m, right)...)
		}
	}
	return p
}

// open is the place that a right to read or write opens, which is where its path leads to now. There is none where
// nothing lies there, nor where the daemon's own places would be open by it: no grant can mean these.
func (h *Host) open(m *module, right tunnel.Right) []string {
	path, err := filepath.EvalSymlinks(right.Path)
	if err != nil {
		m.log.say("the grant %q opens nothing: %v; make it and restart the module", right.Grant(), err)
		return nil
	}
	for _, own := range []string{h.cfg.StateDir, h.cfg.SocketDir, h.cfg.Dir} {
		if real, err := filepath.EvalSymlinks(own); err != nil || (tunnel.Right{Path: path}).Overlaps(real) {
			m.log.say("the grant %q opens nothing: it would open %s, which is the daemon's own", right.Grant(), own)
			return nil
		}
	}
	return []string{path}
}
