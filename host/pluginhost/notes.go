package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Note is something about a module that keeps it from nothing, or from one thing alone: a grant that opens nothing is one.
type Note struct {
	About   string // the grant, or what else
	Message string
	Remedy  string // "" where there is nothing to do
}

// survey is what the notes of one module are made from, as it is at one time.
type survey struct {
	name      tunnel.Owner
	granted   []tunnel.Grant
	process   *running // nil where none runs
	doors     *doors
	trusted   bool
	unkept    error               // why there is no copy of its binary, which lies there
	listening func() map[int]bool // the ports of the loopback at which something listens, nil where that is not known
}

// notes are what is worth knowing of a module, as it is now.
func (h *Host) notes(v survey) (all []Note) {
	add := func(about, message, remedy string) { all = append(all, Note{about, message, remedy}) }
	if v.trusted {
		message := "its binary was accepted to run where nothing confines it, as on this machine"
		if h.support.Level() != sandbox.None {
			message = "its binary was accepted to run where nothing confines it; on this machine something does"
		}
		add(string(tunnel.Unsandboxed), message, fmt.Sprintf("to take that back: culvert module revoke %s %s", v.name, tunnel.Unsandboxed))
	}
	for _, g := range v.granted {
		right, fs := tunnel.ParseGrant(g)
		if len(fs) > 0 {
			add(string(g), "it is no grant of this version of Culvert", fmt.Sprintf("culvert module revoke %s %s", v.name, g))
			continue
		}
		if message, remedy := h.opensNothing(v, right); message != "" {
			add(string(g), message, remedy)
		}
	}
	if v.process != nil && h.cages != nil && v.process.process.cage == nil {
		add("control group", "none could be made for it, so its memory is bounded for each process alone", "the daemon's log says why")
	}
	if v.unkept != nil {
		add("copy", "none could be made of its binary: "+tunnel.Clean(v.unkept.Error(), 200)+"; once another binary lies in its place, it runs until its process ends, and not again", fmt.Sprintf("mend that, then culvert module restart %s", v.name))
	}
	return all
}

// opensNothing is why a grant opens nothing, or less than it says, and what to do; "" where it opens what it says.
func (h *Host) opensNothing(v survey, r tunnel.Right) (message, remedy string) {
	switch r.Kind {
	case tunnel.GrantRead, tunnel.GrantWrite:
		return h.closedPath(v, r)
	case tunnel.GrantDial:
		if l := v.listening(); l != nil && !l[r.Port] {
			return fmt.Sprintf("nothing listens at port %d of this machine", r.Port), "start the service that it is for"
		}
	case tunnel.GrantServe:
		if l := v.listening(); l[r.Port] && !v.doors.serves(r.Port) {
			return fmt.Sprintf("something else listens at port %d of this machine, and the module cannot", r.Port),
				"end that (ss -ltnp shows it), then culvert module restart " + string(v.name)
		}
	case tunnel.GrantPrograms:
		if h.cages == nil {
			return "no control group is left to the daemon, so memory and number of the programs that it starts are bounded for each alone",
				"where a service manager starts culvertd, have it delegate memory and pids"
		}
	}
	return "", ""
}

// hollow is the same, in one text, for a process of that module that starts now.
func (h *Host) hollow(name tunnel.Owner, r tunnel.Right) string {
	v := survey{name: name, listening: sync.OnceValue(listeningPorts)}
	v.listening() // before the doors are looked at: what they open meanwhile is nobody else's
	if m := h.lookup(name); m != nil {
		m.mu.Lock()
		v.doors = m.doors
		m.mu.Unlock()
	}
	message, remedy := h.opensNothing(v, r)
	if message == "" {
		return ""
	}
	return strings.TrimSuffix(string(r.Grant())+": "+message+": "+remedy, ": ")
}

// closedPath is the same for a right to a path: what lies there is opened when a process starts, and not again.
func (h *Host) closedPath(v survey, r tunnel.Right) (message, remedy string) {
	restart := "culvert module restart " + string(v.name)
	f, err := h.openGranted(r)
	var refused tunnel.Finding
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "nothing lies at " + r.Path, "make it, then " + restart
	case errors.As(err, &refused):
		return "it opens nothing: " + refused.Message, refused.WayOut
	case err != nil:
		return "it opens nothing: " + tunnel.Clean(err.Error(), 300), ""
	}
	defer f.Close()
	if v.process == nil {
		return "", ""
	}
	now, _ := fileInode(f)
	switch then, opened := v.process.opened[r.Grant()]; {
	case !opened:
		return "it could not be opened when the process started, and could now", restart
	case then != now:
		return r.Path + " was replaced since the process started, which has the former one", restart
	}
	return "", ""
}

// surveyLocked takes what the notes of m are made from.
func (m *module) surveyLocked() survey {
	v := survey{name: m.name, doors: m.doors, trusted: m.pin != nil && m.trusted == m.pin.SHA256}
	if m.life == alive {
		v.process = m.process
	}
	if m.attempt.there && !m.copiedLocked() {
		v.unkept = m.unkept
	}
	return v
}

// Modules returns every module: those in the plugin directory, and those that have configurations.
func (h *Host) Modules() []Module {
	listening := sync.OnceValue(listeningPorts)
	var list []Module
	for _, m := range h.all() {
		s, v, listed := m.status()
		if !listed {
			continue
		}
		v.listening = listening
		v.granted, _ = h.cfg.Catalog.Grants(context.Background(), m.name) // it keeps them in memory
		s.Notes = h.notes(v)
		list = append(list, s)
	}
	return list
}
