package pluginhost

import (
	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// sandbox is what a process of the module may use: the module's own directories, those of its listeners and of its wire
// to the host, and what the operator granted.
func (h *Host) sandbox(name tunnel.Owner, wire string) sandbox.Plan {
	return sandbox.Plan{
		Own:     []string{h.stateDir(name)},
		Sockets: []string{wire, h.sockets.Listeners(name)},
	}
}
