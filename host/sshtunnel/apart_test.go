package sshtunnel_test

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// apart runs the calling test again in a process with a network of its own, where packets can be dropped, and reports
// true there; the calling test then has nothing left to do. It needs root and iptables; without them it skips.
func apart(t *testing.T) bool {
	t.Helper()
	const mark = "CULVERT_TEST_APART"
	if os.Getenv(mark) != "" {
		command(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: a network of its own takes root")
	}
	for _, program := range []string{"ip", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: needs %s", program)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.parallel=8", "-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("in a network of its own: %v\n%s", err, out.String())
	}
	t.Log(out.String())
	return false
}

// cut drops all packets of connections to and from a port of loopback, as a broken path does, until heal is called.
func cut(t *testing.T, port int) (heal func()) {
	t.Helper()
	rules := func(what string) {
		for _, flag := range []string{"--dport", "--sport"} {
			command(t, "iptables", "-w", what, "INPUT", "-p", "tcp", flag, strconv.Itoa(port), "-j", "DROP")
		}
	}
	rules("-I")
	heal = sync.OnceFunc(func() { rules("-D") })
	t.Cleanup(heal)
	return heal
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}
