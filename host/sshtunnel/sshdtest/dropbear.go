package sshdtest

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/porttest"
)

const dropbear = "/usr/sbin/dropbear"

// DropbearUser is who may log in at a Dropbear, with the keys that it was started with.
const DropbearUser = "site"

// Dropbear starts a Dropbear on a loopback port, with further arguments, and returns that port. Its only own user is
// DropbearUser, with these lines in the authorized_keys and without a password. It needs root and /usr/sbin/dropbear;
// without them the test is skipped and says so.
func Dropbear(t testing.TB, keys []string, args ...string) (port int) {
	t.Helper()
	Need(t)
	if _, err := os.Stat(dropbear); err != nil {
		t.Skip("skipped: needs " + dropbear + " (package dropbear-bin)")
	}
	dir, err := os.MkdirTemp("", "dropbear")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	port = porttest.Free(t)
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	args = append([]string{"-F", "-E", "-P", dir + "/pid", "-p", at}, args...)
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} { // it stumbles over a sort that it has none of
		size := []string{}
		if kind == "rsa" {
			size = []string{"-s", "1024"} // never used
		}
		run(t, "dropbearkey", append(size, "-t", kind, "-f", dir+"/"+kind)...)
		args = append(args, "-r", dir+"/"+kind)
	}
	home := Home(t, keys...)
	cmd := Files{}.With(t, User{Name: DropbearUser, Home: home, Shell: "/bin/sh"}).command(t, dir, dropbear, args...)
	cmd.WaitDelay = time.Second
	said := &log{}
	cmd.Stderr = said
	wait, err := spawn(cmd)
	check(t, err)
	t.Cleanup(func() {
		end(cmd, wait)
		if t.Failed() {
			t.Logf("dropbear: %s", said.b.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if len(Bound(t, port)) > 0 {
			return port
		}
		if time.Now().After(deadline) {
			t.Fatal("dropbear does not listen")
		}
	}
}

// end kills a server with the children that serve its connections.
func end(cmd *exec.Cmd, wait func()) {
	for _, pid := range children(cmd.Process.Pid) {
		kill(pid)
	}
	_ = cmd.Process.Kill()
	wait()
}
