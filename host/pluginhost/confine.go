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

// sayConfinement tells at start how modules are confined, loudly where something is missing.
func (h *Host) sayConfinement() {
	s := h.confinement()
	if s.Message == "" {
		h.cfg.Log.Info("modules are confined", "sandbox", s.Level, "landlock", h.support.Landlock)
		return
	}
	h.cfg.Log.Warn("modules are not fully confined: "+s.Message, "sandbox", s.Level, "remedy", s.Remedy)
}

// sandbox is what a process of the module may use: the module's own directories, those of its listeners and of its wire
// to the host, and what the operator granted.
func (h *Host) sandbox(name tunnel.Owner, wire string) sandbox.Plan {
	return sandbox.Plan{
		Own:     []string{h.stateDir(name)},
		Sockets: []string{wire, h.sockets.Listeners(name)},
	}
}
