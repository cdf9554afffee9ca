package pluginhost

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
)

// nobody is the user whose host and modules the tests of the sandbox are, where the tests may choose: the daemon is not
// root, and its modules are of the same user.
const nobody = 65534

// siege says what host of an attacker a process shall be.
type siege struct {
	Dir, Sockets string
	Support      sandbox.Support
}

// outcome is what came of the attacks.
type outcome struct {
	Said    map[string]string // by attack: "" where it worked, else why not
	Signals int               // that the host got
	Touched []string          // attacks whose file is not what it was
	Alive   bool              // the other module's process still is
}

// siegeEnv makes the test binary the host of an attacker, with a siege as JSON.
const siegeEnv = "CULVERT_TEST_SIEGE"

const secret = "the registry"

// besieged is the host: it runs a victim and an attacker, and prints the outcome.
func besieged(text string) {
	var s siege
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	signals := make(chan os.Signal, 1000)
	signal.Notify(signals, watched)
	r := newRigIn(printer{}, s.Dir, s.Sockets)
	r.support = s.Support
	r.install("victim", "")
	r.install("attacker", "")
	prepareScene(r)
	r.run()
	if s.Support.Level() == sandbox.None {
		r.trust("victim")
		r.trust("attacker")
	}
	victim := r.configure("victim/default", "wait")
	r.note(victim, "started")
	order, err := json.Marshal(r.scene())
	if err != nil {
		panic(err)
	}
	attacker := r.configure("attacker/default", "attack "+string(order))
	o := outcome{Said: map[string]string{}}
	if err := json.Unmarshal([]byte(r.note(attacker, "said")), &o.Said); err != nil {
		panic(err)
	}
	o.Alive = alivePid(r.Pid("victim"))
	r.stop()
	o.Signals = len(signals)
	for _, a := range attacks() {
		if b, err := os.ReadFile(secretOf(r, a)); err != nil || string(b) != secret {
			o.Touched = append(o.Touched, a.name)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(o); err != nil {
		panic(err)
	}
}

func secretOf(r *rig, a attack) string {
	return (&scene{State: r.cfg.StateDir}).file(strings.ReplaceAll(a.name, "/", "-"))
}

// prepareScene makes what a daemon has, and a file for each attack.
func prepareScene(r *rig) {
	must := func(err error) {
		if err != nil {
			r.t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(r.cfg.StateDir, "secrets"), 0o700))
	files := []string{filepath.Join(r.cfg.StateDir, "registry.db"), filepath.Join(r.cfg.StateDir, "key"), filepath.Join(r.cfg.SocketDir, "culvert.sock.token")}
	for _, a := range attacks() {
		files = append(files, secretOf(r, a))
	}
	for _, f := range files {
		must(os.WriteFile(f, []byte(secret), 0o600))
	}
}

// scene is what the attacker is told, with listeners that live as long as the process.
func (r *rig) scene() scene {
	listen := func(network, addr string) string {
		l, err := net.Listen(network, addr)
		if err != nil {
			r.t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		return l.Addr().String()
	}
	wires, _ := filepath.Glob(filepath.Join(r.sockets.wire(), "*", "plugin*"))
	listen("unix", filepath.Join(r.cfg.SocketDir, "culvert.sock"))
	return scene{
		Host: os.Getpid(), Victim: r.Pid("victim"), State: r.cfg.StateDir, Sockets: r.cfg.SocketDir, Own: r.stateDir("attacker"),
		VictimOwn: r.stateDir("victim"), Plugins: r.cfg.Dir, Wire: wires[0], Unix: listen("unix", filepath.Join(r.cfg.SocketDir, "e.sock")),
		Abstract: listen("unix", "@culvert-siege-"+fmt.Sprint(os.Getpid())), TCP: listen("tcp", "127.0.0.1:0"),
	}
}

// attackAll makes every attack and returns what came of each.
func attackAll(order string) map[string]string {
	said := map[string]string{}
	var s scene
	if err := json.Unmarshal([]byte(order), &s); err != nil {
		return map[string]string{"order": err.Error()}
	}
	for _, a := range attacks() {
		said[a.name] = ""
		if err := a.try(&s, s.file(strings.ReplaceAll(a.name, "/", "-"))); err != nil {
			said[a.name] = err.Error()
			if errno := syscall.Errno(0); errors.As(err, &errno) {
				said[a.name] = unix.ErrnoName(errno)
			}
		}
	}
	return said
}

// refusals are what the sandbox answers with. Any other failure is the attack's own, which then shows nothing.
var refusals = []string{"EPERM", "EACCES", "ENOSYS", "EXDEV"}

// lay has a host of its own run the attacks, as that user.
func lay(t *testing.T, uid int, s siege) outcome {
	t.Helper()
	s.Dir, s.Sockets = shortDir(t), shortDir(t)
	self, err := os.Executable()
	must(t, err)
	binary := filepath.Join(s.Dir, "host")
	b, err := os.ReadFile(self)
	must(t, err)
	must(t, os.WriteFile(binary, b, 0o755))
	text, err := json.Marshal(s)
	must(t, err)
	host := exec.Command(binary)
	host.Env = append(os.Environ(), siegeEnv+"="+string(text))
	host.Stderr = os.Stderr
	if os.Geteuid() == 0 && uid != 0 {
		for _, f := range []string{s.Dir, s.Sockets, binary} {
			must(t, os.Chown(f, uid, uid))
		}
		host.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	out, err := host.StdoutPipe()
	must(t, err)
	must(t, host.Start())
	defer func() {
		_ = host.Process.Kill()
		_ = host.Wait()
	}()
	var o outcome
	must(t, json.NewDecoder(bufio.NewReader(out)).Decode(&o))
	return o
}

// Every attack of the list, from inside a module, with the same user as the host's: without a sandbox, which shows that
// the attacks are real, behind the rights that the oldest kernel we support has, and behind all of this one's.
func TestNothingIsAllowedThatAModuleMustNot(t *testing.T) {
	have := sandbox.Detect()
	if have.Level() != sandbox.Full {
		why, _ := have.Lack()
		t.Skip(why)
	}
	have.Mounts = false // an ordinary user has none of its own; what they hide has a test
	older := have
	older.Landlock = 2
	for _, c := range []struct {
		name    string
		uid     int
		support sandbox.Support
	}{
		{"control", nobody, sandbox.Support{}},
		{"landlock 2", nobody, older},
		{"this kernel", nobody, have},
		{"root", 0, have},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.uid == 0 && os.Geteuid() != 0 {
				t.Skip("the tests do not run as root")
			}
			t.Parallel()
			judge(t, c.support, lay(t, c.uid, siege{Support: c.support}))
		})
	}
}

// judge compares the outcome with what each attack shall come to.
func judge(t *testing.T, s sandbox.Support, o outcome) {
	confined := s.Landlock > 0
	allowed := map[kind]int{}
	for _, a := range attacks() {
		why, made := o.Said[a.name]
		if !made {
			t.Errorf("not made: %s", a.name)
			continue
		}
		if why == "" {
			allowed[a.kind]++
		}
		want := map[kind]bool{forbidden: !confined, machine: why == "" && !confined, scoped: s.Landlock < 6, known: true, honest: true}[a.kind]
		if (why == "") != want {
			t.Errorf("%s: %s: worked: %v, wanted: %v: %s", a.kind, a.name, why == "", want, why)
		}
		if confined && why != "" && !slices.Contains(refusals, why) && !(a.kind == machine && why == "EBADF") {
			t.Errorf("%s: not refused, but it failed: %s", a.name, why)
		}
	}
	t.Logf("%d attacks made, allowed by kind: %v; %d signals reached the host", len(o.Said), allowed, o.Signals)
	if confined && (o.Signals > 0 || len(o.Touched) > 0) {
		t.Errorf("%d signals reached the host, files changed: %q", o.Signals, o.Touched)
	}
	if !confined && (o.Signals == 0 || len(o.Touched) == 0) {
		t.Errorf("%d signals reached the host, files changed: %q: the attacks are none", o.Signals, o.Touched)
	}
	if !o.Alive {
		t.Error("the other module is dead")
	}
}
