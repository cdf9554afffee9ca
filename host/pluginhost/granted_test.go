package pluginhost

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// grounds are what a module with grants tries them on.
type grounds struct {
	Read, Write, Alone string // granted directories, and a file that is granted by itself to read
	State              string // the daemon's, which a grant names as well
	TCP                string
}

// use is one thing that grants shall allow, or not.
type use struct {
	name string
	want bool
	try  func(g grounds) error
}

// throughReading does something with a descriptor of a file that was opened to read.
func throughReading(do func(fd int) error) func(grounds) error {
	return func(g grounds) error {
		fd, err := unix.Open(filepath.Join(g.Read, "file"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("to read: %v", err)
		}
		defer unix.Close(fd)
		return do(fd)
	}
}

func script(dir string) func(grounds) error {
	return func(g grounds) error {
		file := filepath.Join(g.Write, dir, "program")
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700); err != nil {
			return fmt.Errorf("to write: %v", err)
		}
		return exec.Command(file).Run()
	}
}

var uses = []use{
	{"read a file of a granted directory", true, func(g grounds) error { return canRead(filepath.Join(g.Read, "file")) }},
	{"read a granted file", true, func(g grounds) error { return canRead(g.Alone) }},
	{"list a directory granted to read", true, func(g grounds) error { return canList(g.Read) }},
	{"write what is granted to read", false, func(g grounds) error { return canOpen(filepath.Join(g.Read, "file"), unix.O_WRONLY) }},
	{"empty what is granted to read", false, func(g grounds) error { return canOpen(filepath.Join(g.Read, "file"), unix.O_RDONLY|unix.O_TRUNC) }},
	{"create where reading is granted", false, func(g grounds) error { return canCreate(filepath.Join(g.Read, "new")) }},
	{"remove what is granted to read", false, func(g grounds) error { return unix.Unlink(filepath.Join(g.Read, "file")) }},
	{"change the mode of what it reads", false, throughReading(func(fd int) error { return unix.Fchmod(fd, 0o666) })},
	{"change the owner of what it reads", false, throughReading(func(fd int) error { return unix.Fchown(fd, os.Getuid(), os.Getgid()) })},
	{"change the times of what it reads", false, throughReading(func(fd int) error { return unix.Futimes(fd, make([]unix.Timeval, 2)) })},
	{"set an attribute of what it reads", false, throughReading(func(fd int) error { return unix.Fsetxattr(fd, "user.x", []byte("1"), 0) })},
	{"set flags of what it reads", false, throughReading(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, 0) })},
	{"hold a lease of what it reads", false, throughReading(func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
		return err
	})},
	{"write where writing is granted", true, func(g grounds) error { return canCreate(filepath.Join(g.Write, "new")) }},
	{"read where writing is granted", true, func(g grounds) error { return canRead(filepath.Join(g.Write, "file")) }},
	{"read beside what is granted", false, func(g grounds) error { return canRead(filepath.Join(filepath.Dir(g.Read), "beside")) }},
	{"read the registry, though a grant names its directory", false, func(g grounds) error { return canRead(filepath.Join(g.State, "registry.db")) }},

	{"run a program of the machine", true, func(grounds) error { return exec.Command("/bin/sh", "-c", "/bin/true").Run() }},
	{"run a program that was written", false, script("")},
	{"run a program in a session of its own", false, func(grounds) error {
		c := exec.Command("/bin/true")
		c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		return c.Run()
	}},
	{"have a program read the registry", false, func(g grounds) error { return exec.Command("/bin/cat", filepath.Join(g.State, "registry.db")).Run() }},

	{"dial TCP", true, func(g grounds) error { return canDial("tcp", func(*scene) string { return g.TCP })(nil, "") }},
	{"listen on TCP", true, func(grounds) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	}},
	{"make a UDP socket", true, func(grounds) error { return canMakeSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)(nil, "") }},
	{"make a raw socket", false, func(grounds) error { return canMakeSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP)(nil, "") }},
	{"make a multipath socket", false, func(grounds) error { return canMakeSocket(unix.AF_INET, unix.SOCK_STREAM, 262)(nil, "") }},
	{"ask the kernel for its network", false, func(grounds) error { return canMakeSocket(unix.AF_NETLINK, unix.SOCK_RAW, 0)(nil, "") }},
}

// useAll tries all uses and returns what came of each, "" where it worked.
func useAll(order string) map[string]string {
	said := map[string]string{}
	var g grounds
	if err := json.Unmarshal([]byte(order), &g); err != nil {
		return map[string]string{"order": err.Error()}
	}
	for _, u := range uses {
		said[u.name] = ""
		if err := u.try(g); err != nil {
			said[u.name] = err.Error()
		}
	}
	return said
}

// Grants open what their words say, and nothing beside it: the same on the oldest Landlock and on this kernel's.
func TestGrantsOpenWhatTheySay(t *testing.T) {
	t.Parallel()
	have := sandbox.Detect()
	if have.Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	for _, abi := range []int{2, have.Landlock} {
		t.Run(fmt.Sprint("landlock ", abi), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.support.Landlock = abi
			g, granted := newGrounds(t, r)
			r.catalog.grant("hello", granted...)
			r.run()
			r.install("hello", "")
			order, err := json.Marshal(g)
			must(t, err)
			said := map[string]string{}
			must(t, json.Unmarshal([]byte(r.note(r.configure("hello/default", "use "+string(order)), "said")), &said))
			for _, u := range uses {
				if why, made := said[u.name]; !made || (why == "") != u.want || strings.HasPrefix(why, "to ") {
					t.Errorf("%s: made %v, %q, and it is to work: %v", u.name, made, why, u.want)
				}
			}
			for _, left := range []string{r.cfg.StateDir, "/no/such/place"} {
				if log := r.logOf("hello"); !strings.Contains(log, left+`" opens nothing`) {
					t.Errorf("the log does not say that %s is not open:\n%s", left, log)
				}
			}
		})
	}
}

// newGrounds makes what grants are tried on, and names the grants.
func newGrounds(t *testing.T, r *rig) (grounds, []tunnel.Grant) {
	t.Helper()
	dir := shortDir(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	g := grounds{
		Read: filepath.Join(dir, "read"), Write: filepath.Join(dir, "write"), Alone: filepath.Join(dir, "alone"),
		State: r.cfg.StateDir, TCP: l.Addr().String(),
	}
	for _, d := range []string{g.Read, g.Write, g.State} {
		must(t, os.MkdirAll(d, 0o700))
	}
	for _, f := range []string{g.Read + "/file", g.Write + "/file", g.Alone, dir + "/beside", g.State + "/registry.db"} {
		write(t, f, "text", 0o600)
	}
	return g, slices.Concat([]tunnel.Grant{"programs", "network", "dial 5038"}, []tunnel.Grant{
		tunnel.Grant("read " + g.Read), tunnel.Grant("read " + g.Alone), tunnel.Grant("write " + g.Write),
		tunnel.Grant("read " + g.State), "read /no/such/place",
	})
}
