package pluginhost

import (
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
func (h *Host) sandbox(name tunnel.Owner, wire string) sandbox.Plan {
	return sandbox.Plan{
		Own:     []string{h.stateDir(name)},
		Sockets: []string{wire, h.sockets.Listeners(name)},
	}
}
