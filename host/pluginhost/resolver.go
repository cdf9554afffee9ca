package pluginhost

import (
	"maps"
	"os"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// resolverFiles are what a module with a network of its own finds names by. Its sandbox opens what lies there when its
// process starts; whoever manages the network replaces them by new files, which that process cannot read.
var resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}

// resolverNow is which files they are now. One that is not there is left out.
func (h *Host) resolverNow() map[string]inode {
	now := map[string]inode{}
	for _, path := range h.resolver {
		if info, err := os.Stat(path); err == nil {
			st := info.Sys().(*syscall.Stat_t)
			now[path] = inode{st.Dev, st.Ino}
		}
	}
	return now
}

// renewEvery is how often a module is started anew at most because of them.
const renewEvery = time.Minute

// renewNetworks starts anew the processes with a network of their own that cannot find names any more.
func (h *Host) renewNetworks() {
	now := h.resolverNow()
	for _, m := range h.all() {
		m.renewNetwork(now)
	}
}

func (m *module) renewNetwork(now map[string]inode) {
	m.mu.Lock()
	_, why := m.blockedLocked()
	stale := m.currentLocked() && m.process.resolver != nil && lost(m.process.resolver, now) != ""
	due := stale && why == nil && time.Since(m.renewed) >= m.host.renewEvery
	m.mu.Unlock()
	if !due {
		return
	}
	file := ""
	m.update(func() {
		if m.currentLocked() && m.process.resolver != nil { // else it is another one by now
			file = lost(m.process.resolver, now)
			m.renewed = time.Now()
			m.turn++
		}
	})
	if file != "" {
		m.tellEffect("host", tunnel.Event{Message: file + " was replaced: its process cannot read the new one, was ended, and is started anew", Fields: map[string]string{"process": Restarted}})
	}
}

// lost is one of the files that were there, or are now, of which now has another, "" for none. One that is gone is about
// to be replaced, or nobody can read it.
func lost(then, now map[string]inode) string {
	for path := range maps.Keys(now) {
		if then[path] != now[path] {
			return path
		}
	}
	return ""
}
