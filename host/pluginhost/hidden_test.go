package pluginhost

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// runDir is a directory below /run, as a service of the machine has one.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "ph")
	if err != nil {
		t.Skipf("nothing can be made in /run: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listenAt(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
}

// TestServicesOfTheMachineAreHidden: a module connects to no socket in /run but its own and what it was granted, though its
// user may open them all. Its own are there as ever: the sockets of this host are in /run, too.
func TestServicesOfTheMachineAreHidden(t *testing.T) {
	t.Parallel()
	foreign, granted, linked, own := runDir(t), runDir(t), runDir(t), runDir(t)
	r := newRigIn(t, t.TempDir(), own)
	if !r.support.Mounts {
		t.Skip("modules can have no mounts of their own here")
	}
	listenAt(t, foreign+"/private")
	listenAt(t, granted+"/granted")
	listenAt(t, linked+"/granted")
	must(t, os.Symlink(linked, granted+".link"))
	t.Cleanup(func() { os.Remove(granted + ".link") })
	r.catalog.grant("hello", tunnel.Grant("read "+granted), tunnel.Grant("read "+granted+".link"))
	r.install("hello", "")
	must(t, r.sockets.Prepare("hello"))
	must(t, r.sockets.Prepare("victim"))
	listenAt(t, r.sockets.Module("hello")+"/d80.sock")
	listenAt(t, r.sockets.Module("victim")+"/d80.sock")
	listenAt(t, filepath.Join(own, "culvert.sock"))
	r.run()
	paths := map[string]bool{
		foreign + "/private": false, granted + "/granted": true, granted + ".link/granted": true, r.sockets.Module("hello") + "/d80.sock": true,
		r.sockets.Module("victim") + "/d80.sock": false, own + "/culvert.sock": false,
	}
	said := r.dials("hello/default", paths)
	for path, works := range paths {
		if why, made := said[path]; !made || (why == "") != works || !works && !strings.Contains(why, "no such file") {
			t.Errorf("%s: made: %t, wanted: %t, and it said %q", path, made, works, why)
		}
	}
	if pid := r.Pid("hello"); !strings.Contains(mountsOf(t, pid), " /run ") || strings.Contains(mountsOf(t, os.Getpid()), "culvert /run ") {
		t.Errorf("mounts of the module:\n%s\nand of the host:\n%s", mountsOf(t, pid), mountsOf(t, os.Getpid()))
	}
}

// dials has a new configuration connect to each path, and returns what came of it.
func (r *rig) dials(configuration string, paths map[string]bool) map[string]string {
	r.t.Helper()
	order, err := json.Marshal(paths)
	if err != nil {
		r.t.Fatal(err)
	}
	said := map[string]string{}
	if err := json.Unmarshal([]byte(r.note(r.configure(configuration, "dial "+string(order)), "said")), &said); err != nil {
		r.t.Fatal(err)
	}
	return said
}

// TestWhatWasGrantedInRunIsFollowed when its service starts after the module, and when it makes all of it anew, which
// service managers have it do; once a minute.
func TestWhatWasGrantedInRunIsFollowed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if !r.support.Mounts {
		t.Skip("modules can have no mounts of their own here")
	}
	dir := filepath.Join(runDir(t), "service")
	r.catalog.grant("hello", tunnel.Grant("read "+dir), "read /run/no/such/place")
	r.install("hello", "")
	c := r.configure("hello/default", "run")
	r.run()
	r.note(c, "started")
	pid := r.is("hello", Running, "").PID
	renewed := func(clause string, times int) {
		t.Helper()
		r.eventually("it is started anew", func() bool { now := r.Pid("hello"); return now != 0 && now != pid }, func() string { return r.logOf("hello") })
		pid = r.is("hello", Running, "").PID
		if said := r.dials(fmt.Sprint("hello/c", times), map[string]bool{dir + "/socket": true}); said[dir+"/socket"] != "" || r.Pid("hello") != pid {
			t.Errorf("it said %q, and runs as %d after %d", said, r.Pid("hello"), pid)
		}
		if told := r.told(func(e tunnel.Event) bool { return strings.Contains(e.Message, dir+clause) }); len(told) != 1 || told[0].Actor != "host" {
			t.Errorf("told is %+v", told)
		}
	}
	start := func() {
		must(t, os.Mkdir(dir+".new", 0o755))
		listenAt(t, dir+".new/socket")
		must(t, os.Rename(dir+".new", dir))
	}
	start()
	renewed(" was made: ", 1)
	must(t, os.RemoveAll(dir))
	r.renewProcesses()
	start()
	r.renewProcesses()
	if now := r.Pid("hello"); now != pid {
		t.Errorf("again within a minute, %d after %d", now, pid)
	}
	m := r.lookup("hello")
	m.mu.Lock()
	m.renewed = m.renewed.Add(-renewEvery)
	m.mu.Unlock()
	renewed(" was replaced: ", 2)
}

func mountsOf(t *testing.T, pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid))
	must(t, err)
	return string(b)
}

// dialAll connects to each path, and returns what came of it, "" where it worked.
func dialAll(order string) map[string]string {
	said := map[string]string{}
	var paths map[string]bool
	if err := json.Unmarshal([]byte(order), &paths); err != nil {
		return map[string]string{"order": err.Error()}
	}
	for path := range paths {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
			said[path] = ""
		} else {
			said[path] = err.Error()
		}
	}
	return said
}
