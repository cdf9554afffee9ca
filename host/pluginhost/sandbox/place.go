package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

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
	switch err = unix.Fstat(tree, &st); {
	case err == nil && st.Nlink == 0: // it was removed since it was opened
		err = unix.ENOENT
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK: // it was none a moment ago
		err = unix.ELOOP
	}
	if err != nil {
		unix.Close(tree)
		return place{}, err
	}
	return place{path, st.Mode&unix.S_IFMT == unix.S_IFDIR, tree}, nil
}

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
