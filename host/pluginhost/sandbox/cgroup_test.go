package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnifiedPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0::/system.slice/culvert.service\n":         "/system.slice/culvert.service",
		"9:pids:/\n1:name=systemd:/x\n0::/machine\n": "/machine",
		"9:pids:/\n": "", "": "",
	} {
		if got, ok := unifiedPath(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

func TestOnlyADelegatedGroupIsUsed(t *testing.T) {
	t.Parallel()
	if delegated(t.TempDir()) {
		t.Error("a plain directory was taken for one")
	}
}

// The control files of a tree of plain directories: what is written where.
func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	g, err := openGroups(top, true, "/state")
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.Make("hello")
	if err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	for file, want := range map[string]string{
		"daemon/cgroup.procs": "0", "cgroup.subtree_control": "+memory +pids",
		g.prefix + "hello.1/memory.max": "805306368", g.prefix + "hello.1/pids.max": "512", g.prefix + "hello.1/memory.oom.group": "1",
	} {
		if got, err := os.ReadFile(filepath.Join(top, file)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	if next, err := g.Make("hello"); err != nil || next.dir == c.dir {
		t.Errorf("another: %v", err)
	} else {
		next.file.Close()
	}
}

// TestGroupsOfAnotherDaemonAreLeftAlone: two may have been started in the same part.
func TestGroupsOfAnotherDaemonAreLeftAlone(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	ended := func(name string) bool { _, err := os.Stat(filepath.Join(top, name, "cgroup.kill")); return err == nil }
	mine, other := prefixOf("/a")+"hello.1", prefixOf("/b")+"hello.1"
	for _, name := range []string{mine, other, "m.hello.1", prefixOf("/b") + "hello.2"} {
		if err := os.Mkdir(filepath.Join(top, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openGroups(top, true, "/a/"); err != nil {
		t.Fatal(err)
	}
	if !ended(mine) || ended(other) || ended("m.hello.1") {
		t.Errorf("ended are mine: %t, another's: %t, a stranger's: %t", ended(mine), ended(other), ended("m.hello.1"))
	}
	c, err := (&Groups{dir: top, prefix: prefixOf("/a")}).Make("hello")
	if err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	if filepath.Base(c.dir) != prefixOf("/a")+"hello.2" { // a plain directory is left, as the kernel may hold on to one
		t.Errorf("the next one is %s", c.dir)
	}
}

// A real group, without the limits, which need controllers that a test machine may not have: all that comes from a
// process ends with it, a session of its own included.
func TestNothingOutlivesItsGroup(t *testing.T) {
	t.Parallel()
	top, err := os.MkdirTemp(unifiedMount(t), "culvert-test-")
	if err != nil {
		t.Skip(err)
	}
	defer os.Remove(top)
	c, err := (&Groups{dir: top}).Make("hello")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "setsid sleep 600 & echo $!; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: c.Descriptor()}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var away int
	if _, err := fmt.Fscan(out, &away); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(read(t, filepath.Join(c.dir, "cgroup.procs"))); len(got) < 2 {
		t.Errorf("in the group are %v", got)
	}
	go func() { _ = cmd.Wait() }()
	c.End()
	for deadline := time.Now().Add(30 * time.Second); unix.Kill(away, 0) == nil && !zombie(away); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", away)
		}
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is left: %v", err)
	}
}

// unifiedMount is where this machine has its control groups of version 2.
func unifiedMount(t *testing.T) string {
	for _, dir := range []string{groupMount, filepath.Join(groupMount, "unified")} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	t.Skip("this machine has no unified control groups")
	return ""
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func zombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(b), ") Z ")
}
