package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
