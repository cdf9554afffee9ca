package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hidden is where services of the machine have their sockets. Nothing that Landlock knows keeps a process from connecting
// to one by its path, and some start programs for whoever is root: so what a module sees there is what it needs, alone.
const hidden = "/run"

// mountsWork reports whether a process may have mounts of its own: root may, where nothing took that from it. It is tried in a
// child, which a filter of system calls may kill for it.
var mountsWork = sync.OnceValue(func() bool {
	at, err := os.Lstat(hidden)
	if err != nil || !at.IsDir() || os.Geteuid() != 0 {
		return false
	}
	c := exec.Command("/bin/true")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	return c.Run() == nil
})

// hide gives the calling thread a view of the machine of its own, in which hidden has nothing but what p means there. The
// rights to that are as before.
func hide(p Plan) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil { // nothing of it gets out
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	all, links, err := shown(p)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range all {
			unix.Close(s.tree)
		}
	}()
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("culvert", hidden, "tmpfs", flags, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("hide %s: %w", hidden, err)
	}
	for _, s := range all {
		if err := s.show(); err != nil {
			return fmt.Errorf("show %s: %w", s.path, err)
		}
	}
	for at, to := range links {
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return unix.Mount("", hidden, "", flags|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// place is a file or directory below hidden that stays to be seen: its path, which leads through no link, and the mount
// of it.
type place struct {
	path string
	dir  bool
	tree int
}

// shown is what p means below hidden, and the links on the way to it.
func shown(p Plan) (all []place, links map[string]string, err error) {
	links = make(map[string]string)
	var paths []string
	for _, path := range slices.Concat(p.Own, p.Wire, p.Listeners, p.Sockets, readable) {
		paths = append(paths, follow(path, links))
	}
	for _, fd := range slices.Concat(p.Read, p.Write) {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			return nil, nil, err
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if !strings.HasPrefix(path, hidden+"/") || len(all) > 0 && within(path, all[len(all)-1].path) {
			continue
		}
		s, err := clone(path)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, links, nil
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// clone takes what lies at path, whatever will be mounted over it.
func clone(path string) (place, error) {
	var st unix.Stat_t
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return place{}, os.NewSyscallError("open_tree", err)
	}
	if err := unix.Fstat(tree, &st); err != nil {
		unix.Close(tree)
		return place{}, err
	}
	return place{path, st.Mode&unix.S_IFMT == unix.S_IFDIR, tree}, nil
}

// show mounts it where it was.
func (s place) show() error {
	var err error
	if s.dir {
		err = os.MkdirAll(s.path, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(s.path), 0o755); err == nil {
		err = os.WriteFile(s.path, nil, 0o444)
	}
	if err != nil {
		return err
	}
	return os.NewSyscallError("move_mount", unix.MoveMount(s.tree, "", unix.AT_FDCWD, s.path, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// follow is where path leads to. The links on the way that lie below hidden are added to links, with what they say.
func follow(path string, links map[string]string) string {
	const most = 40 // as for the kernel
	at, todo := "/", strings.Split(path, "/")
	for n := 0; len(todo) > 0; {
		next := filepath.Join(at, todo[0])
		todo = todo[1:]
		to, err := os.Readlink(next)
		if err != nil || n == most {
			at = next
			continue
		}
		n++
		if strings.HasPrefix(next, hidden+"/") {
			links[next] = to
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		todo = append(strings.Split(to, "/"), todo...)
	}
	return at
}
