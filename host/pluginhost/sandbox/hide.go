package sandbox

import (
	"errors"
	"fmt"
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
	all, links, err := shown(p)
	defer closeAll(all)
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil { // nothing of it gets out
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("culvert", hidden, "tmpfs", flags, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("hide %s: %w", hidden, err)
	}
	if err := furnish(all, links); err != nil {
		return err
	}
	if err := unix.Mount("", hidden, "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil { // what is shown was the machine's own mount
		return fmt.Errorf("keep what is shown to itself: %w", err)
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

func closeAll(all []place) {
	for _, s := range all {
		unix.Close(s.tree)
	}
}

// shown is what p means below hidden, of which nothing lies in another, and the links on the way to it. All of it is taken
// as it is now, what was granted by its descriptor, and is for the caller to close, whatever the error.
func shown(p Plan) (all []place, links map[string]string, err error) {
	links = make(map[string]string)
	for _, path := range p.Granted {
		follow(path, links)
	}
	fds := make(map[string]int)
	var paths []string
	for _, path := range slices.Concat(p.Own, p.Wire, p.Listeners, p.Sockets, readable) {
		paths = append(paths, follow(path, links))
	}
	for _, fd := range slices.Concat(p.Read, p.Write) {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			return nil, nil, err
		}
		paths, fds[path] = append(paths, path), fd
	}
	slices.Sort(paths) // what holds others comes before them
	for _, path := range paths {
		if !strings.HasPrefix(path, hidden+"/") || covered(path, all) {
			continue
		}
		fd, granted := fds[path]
		s, err := clone(path, fd, granted)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return all, nil, fmt.Errorf("take %s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, links, nil
}

// covered reports whether path is one of all, or lies in one.
func covered(path string, all []place) bool {
	return slices.ContainsFunc(all, func(s place) bool { return path == s.path || strings.HasPrefix(path, s.path+"/") })
}

// clone takes what lies at path, whatever will be mounted over it: what fd is, where that was granted, and no link.
func clone(path string, fd int, granted bool) (place, error) {
	at, name, flags := unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW
	if granted {
		at, name, flags = fd, "", unix.AT_EMPTY_PATH
	}
	tree, err := unix.OpenTree(at, name, uint(flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE))
	if err != nil {
		return place{}, os.NewSyscallError("open_tree", err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(tree, &st); err == nil && st.Nlink == 0 {
		err = unix.ENOENT // it was removed since it was opened
	}
	if err != nil {
		unix.Close(tree)
		return place{}, err
	}
	return place{path, st.Mode&unix.S_IFMT == unix.S_IFDIR, tree}, nil
}

// furnish makes in hidden, which is empty, what all is mounted on and links, and then mounts. So nothing is made in what
// is shown, and the root keeps all else from being reached.
func furnish(all []place, links map[string]string) error {
	root, err := os.OpenRoot(hidden)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, s := range all {
		if err := s.prepare(root); err != nil {
			return fmt.Errorf("make room for %s: %w", s.path, err)
		}
	}
	for at, to := range links {
		if covered(at, all) {
			continue // it is seen with that
		}
		if err := errors.Join(root.MkdirAll(below(filepath.Dir(at)), 0o755), root.Symlink(to, below(at))); err != nil {
			return err
		}
	}
	for _, s := range all {
		if err := s.show(root); err != nil && !errors.Is(err, unix.ENOENT) { // removed a moment ago
			return fmt.Errorf("show %s: %w", s.path, err)
		}
	}
	return nil
}

// below is path as it is named from hidden on.
func below(path string) string { return "." + strings.TrimPrefix(path, hidden) }

// prepare makes what it is mounted on.
func (s place) prepare(root *os.Root) error {
	if s.dir {
		return root.MkdirAll(below(s.path), 0o755)
	}
	if err := root.MkdirAll(below(filepath.Dir(s.path)), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(below(s.path), os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	return f.Close()
}

// show mounts it where it was.
func (s place) show(root *os.Root) error {
	on, err := root.Open(below(s.path))
	if err != nil {
		return err
	}
	defer on.Close()
	const both = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	return os.NewSyscallError("move_mount", unix.MoveMount(s.tree, "", int(on.Fd()), "", both))
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
