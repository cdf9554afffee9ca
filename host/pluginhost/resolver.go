package pluginhost

import (
	"maps"
	"os"
	"syscall"
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
