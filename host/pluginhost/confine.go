package pluginhost

import (
	"os"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Sandbox is how modules are confined on this machine.
type Sandbox struct {
	Level   string // full, partial or none
	Message string // what a module can do because of what is missing; "" at level full
	Remedy  string
}

// note keeps which files the process was given when it started.
func (r *running) note(h *Host, granted []tunnel.Grant, p sandbox.Plan, handed []*os.File) {
	r.opened = map[tunnel.Grant]inode{}
	for _, f := range handed {
		for _, g := range granted {
			if right, fs := tunnel.ParseGrant(g); len(fs) == 0 && right.Path == f.Name() {
				r.opened[g], _ = fileInode(f)
			}
		}
	}
	if p.Network {
		r.resolver = h.resolverNow()
	}
	if h.support.Mounts {
		r.hidden = granted
	}
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
	if h.cages, err = sandbox.Delegated(h.cfg.StateDir); err != nil {
		h.cfg.Log.Info("modules are confined", "sandbox", s.Level, "landlock", h.support.Landlock, "memory", "bounded for each process", "why", err)
		return
	}
	h.cfg.Log.Info("modules are confined", "sandbox", s.Level, "landlock", h.support.Landlock, "memory", "bounded for each module")
}

// cage bounds a process with all that comes from it, and ends with it. It is a control group.
type cage interface {
	Descriptor() int // for the start of the process in it
	End()
}

// cage is one for a process of the module, nil where there are none.
func (h *Host) cage(name tunnel.Owner) cage {
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

// haveHeir sees that what modules start has somebody to end it when the host is killed.
func (h *Host) haveHeir() {
	if err := h.heir.appoint(h.roll); err != nil {
		h.cfg.Log.Warn("what modules start may outlive this daemon, if it is killed, until the next start", "error", err)
	}
}

// ReadableByModules is the place that every module may read without a grant and that path leads to or into, "" where there
// is none. What is secret must not lie there.
func ReadableByModules(path string) string { return sandbox.Readable(lead(path)) }

// room is where one process of a module lives, and what the operator granted it.
type room struct {
	dir, temp string // its HOME and its TMPDIR
	listeners string // where it makes its listeners, "" for nowhere
	granted   []tunnel.Grant
}

// room is the module's own.
func (m *module) room(granted []tunnel.Grant) room {
	return room{
		dir: m.host.stateDir(m.name), temp: m.host.tempDir(m.name), listeners: m.host.sockets.Listeners(m.name), granted: granted,
	}
}

// sandbox is what a process that lives in r may use, and what it is handed for that: the files that the plan names by
// their numbers in the launcher. wire is the directory of its sockets to the host.
func (h *Host) sandbox(m *module, wire string, r room) (sandbox.Plan, []*os.File) {
	p := sandbox.Plan{Own: []string{r.dir}, Wire: []string{wire}}
	if r.listeners != "" {
		p.Listeners, p.Sockets = []string{r.listeners}, []string{h.sockets.Module(m.name)}
	}
	var handed []*os.File
	hand := func(right tunnel.Right, to *[]int) {
		f, err := h.openGranted(right)
		if err != nil {
			m.log.say("the grant %q opens nothing: %v", right.Grant(), err)
			return
		}
		*to = append(*to, grantedFD+len(handed))
		p.Granted, handed = append(p.Granted, right.Path), append(handed, f)
	}
	for _, g := range r.granted {
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
			hand(right, &p.Read)
		case tunnel.GrantWrite:
			hand(right, &p.Write)
		}
	}
	return p, handed
}
