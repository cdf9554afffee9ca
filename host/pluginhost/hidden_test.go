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
	foreign, granted, own := runDir(t), runDir(t), runDir(t)
	r := newRigIn(t, t.TempDir(), own)
	if !r.support.Mounts {
		t.Skip("modules can have no mounts of their own here")
	}
	listenAt(t, foreign+"/private")
	listenAt(t, granted+"/granted")
	r.catalog.grant("hello", tunnel.Grant("read "+granted))
	r.install("hello", "")
	must(t, r.sockets.Prepare("hello"))
	must(t, r.sockets.Prepare("victim"))
	listenAt(t, r.sockets.Module("hello")+"/d80.sock")
	listenAt(t, r.sockets.Module("victim")+"/d80.sock")
	listenAt(t, filepath.Join(own, "culvert.sock"))
	r.run()
	paths := map[string]bool{
		foreign + "/private": false, granted + "/granted": true, r.sockets.Module("hello") + "/d80.sock": true,
		r.sockets.Module("victim") + "/d80.sock": false, own + "/culvert.sock": false,
	}
	order, err := json.Marshal(paths)
	must(t, err)
	said := map[string]string{}
	must(t, json.Unmarshal([]byte(r.note(r.configure("hello/default", "dial "+string(order)), "said")), &said))
	for path, works := range paths {
		if why, made := said[path]; !made || (why == "") != works || !works && !strings.Contains(why, "no such file") {
			t.Errorf("%s: made: %t, wanted: %t, and it said %q", path, made, works, why)
		}
	}
	if pid := r.Pid("hello"); !strings.Contains(mountsOf(t, pid), " /run ") || strings.Contains(mountsOf(t, os.Getpid()), "culvert /run ") {
		t.Errorf("mounts of the module:\n%s\nand of the host:\n%s", mountsOf(t, pid), mountsOf(t, os.Getpid()))
	}
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
