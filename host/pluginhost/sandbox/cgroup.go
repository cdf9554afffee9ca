package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What all processes of one module may have together.
const (
	MaxMemory = 768 << 20 // bytes; the limit of each process lies below
	MaxTasks  = 512       // processes and threads
)

// Groups makes control groups for modules in the part of the machine's that the service manager left to the daemon
// (Delegate=memory pids in a unit). Its methods are safe for concurrent use.
type Groups struct {
	dir    string
	prefix string            // of the names of its groups
	limits map[string]string // by control file
	made   atomic.Uint64
}

// Group is the control group of one process and all that comes from it.
type Group struct {
	dir  string
	file *os.File
}

const (
	groupMount  = "/sys/fs/cgroup"
	groupPrefix = "m."     // of modules' groups
	daemonGroup = "daemon" // where the daemon itself goes: a group with children has no processes
)

// Delegated finds the daemon's part, moves the daemon into a group of its own in it, and ends what a daemon before it
// left in the others. It fails where there is none, which is common and no fault.
//
// Groups of another daemon in the same part, one with another state directory, are none of its own: it neither uses nor
// ends them.
func Delegated(stateDir string) (*Groups, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	path, ok := unifiedPath(string(own))
	if !ok {
		return nil, errors.New("the machine has no unified control groups")
	}
	group := filepath.Join(groupMount, path)
	for _, top := range []string{group, filepath.Dir(group)} { // its own group, or the manager has put it into one already
		if delegated(top) {
			return openGroups(top, top == group, stateDir)
		}
	}
	return nil, errors.New("no control group is delegated to the daemon")
}

// unifiedPath finds the process's group of version 2 in /proc/self/cgroup.
func unifiedPath(text string) (path string, ok bool) {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, true
		}
	}
	return "", false
}

// delegated reports whether the manager left the group to us: it says so in an attribute, and gives it to the daemon's
// user where that is not root.
func delegated(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return false
	}
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	var owner unix.Stat_t
	return os.Geteuid() != 0 && unix.Stat(dir, &owner) == nil && owner.Uid == uint32(os.Geteuid())
}

func openGroups(dir string, inIt bool, stateDir string) (*Groups, error) {
	g := &Groups{dir: dir, prefix: prefixOf(stateDir), limits: map[string]string{
		"memory.max": fmt.Sprint(MaxMemory), "memory.oom.group": "1", "pids.max": fmt.Sprint(MaxTasks),
	}}
	if inIt {
		home := filepath.Join(dir, daemonGroup)
		if err := os.Mkdir(home, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := control(home, "cgroup.procs", "0"); err != nil { // the writer
			return nil, err
		}
	}
	if err := control(dir, "cgroup.subtree_control", "+memory +pids"); err != nil {
		return nil, err
	}
	left, err := filepath.Glob(filepath.Join(dir, g.prefix+"*"))
	for _, old := range left {
		(&Group{dir: old}).End()
	}
	return g, err
}

// prefixOf is how the names of all groups begin that belong to the daemon with that state directory, of which there is
// one at a time.
func prefixOf(stateDir string) string {
	if real, err := filepath.EvalSymlinks(stateDir); err == nil {
		stateDir = real
	}
	if whole, err := filepath.Abs(stateDir); err == nil {
		stateDir = whole
	}
	sum := sha256.Sum256([]byte(stateDir))
	return groupPrefix + hex.EncodeToString(sum[:4]) + "."
}

func control(dir, file, value string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644)
}

// Make makes a group for one process of a module. The caller ends it.
func (g *Groups) Make(module string) (*Group, error) {
	c := &Group{}
	for { // past those that the kernel held on to when they were removed
		c.dir = filepath.Join(g.dir, fmt.Sprintf("%s%s.%d", g.prefix, module, g.made.Add(1)))
		err := os.Mkdir(c.dir, 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	err := g.bound(c)
	if err == nil {
		c.file, err = os.Open(c.dir)
	}
	if err != nil {
		c.End()
		return nil, err
	}
	return c, nil
}

func (g *Groups) bound(c *Group) error {
	for file, value := range g.limits {
		if err := control(c.dir, file, value); err != nil {
			return err
		}
	}
	return nil
}

// Descriptor is the group's, for the start of a process in it; it is good until End.
func (c *Group) Descriptor() int { return int(c.file.Fd()) }

// End kills everything in the group, wherever it has gone in the meantime, and removes the group. What the kernel holds
// on to is left, for a start of the daemon to remove.
func (c *Group) End() {
	if c.file != nil {
		c.file.Close()
	}
	_ = control(c.dir, "cgroup.kill", "1") // since Linux 5.14
	for range 50 {
		if err := os.Remove(c.dir); !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(10 * time.Millisecond) // its processes are on their way
	}
}
