package pluginhost

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// discard removes what lies at path, which a module has made: however deep it is, with two descriptors and no recursion,
// and whatever modes it has. It is moved out of the module's reach first, so that nothing is swapped meanwhile.
func (h *Host) discard(path string) error {
	if err := os.MkdirAll(h.trash(), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(h.trash(), "")
	if err != nil {
		return err
	}
	err = moveDir(unix.AT_FDCWD, path, unix.AT_FDCWD, filepath.Join(dir, "0"))
	if errors.Is(err, fs.ErrNotExist) {
		return os.Remove(dir)
	}
	if err != nil {
		return fmt.Errorf("move %s away: %w", path, err)
	}
	return flatten(dir)
}

// trash is where what is discarded lies meanwhile.
func (h *Host) trash() string { return filepath.Join(h.cfg.StateDir, "modules", ".trash") }

// tidy discards what nobody needs any more. That something is left keeps nothing from going on.
func (h *Host) tidy(path string) {
	if err := h.discard(path); err != nil {
		h.cfg.Log.Warn("what a module left is not all gone", "path", path, "error", err)
	}
}

// flatten removes a directory that nobody else reaches. What lies deeper is moved up into it, one level at a time.
func flatten(path string) error {
	top, err := os.Open(path)
	if err != nil {
		return err
	}
	defer top.Close()
	for hoisted := 1; ; { // 0 is the first
		names, err := namesIn(top)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return os.Remove(path)
		}
		for _, name := range names {
			err := removeAt(int(top.Fd()), name)
			if errors.Is(err, unix.ENOTEMPTY) {
				err = hoist(top, name, &hoisted)
			}
			if err != nil {
				return err
			}
		}
	}
}

// hoist empties the directory of that name in top: its own directories are moved into top, under numbers that are free.
func hoist(top *os.File, name string, number *int) error {
	if err := openToOwner(int(top.Fd()), name); err != nil {
		return err
	}
	fd, err := unix.Openat(int(top.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	for {
		names, err := namesIn(dir)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, inner := range names {
			err := removeAt(fd, inner)
			if errors.Is(err, unix.ENOTEMPTY) {
				err = moveDir(fd, inner, int(top.Fd()), strconv.Itoa(*number))
				*number++
			}
			if err != nil {
				return err
			}
		}
	}
}

// namesIn are some of the names in a directory, none where it is empty.
func namesIn(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(1000)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// removeAt removes one name, unix.ENOTEMPTY where it is a directory with something in it.
func removeAt(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	return err
}

// moveDir moves a directory. Its own mode may forbid that to an ordinary user.
func moveDir(from int, name string, to int, as string) error {
	err := unix.Renameat(from, name, to, as)
	if errors.Is(err, unix.EACCES) && openToOwner(from, name) == nil {
		err = unix.Renameat(from, name, to, as)
	}
	return err
}

// openToOwner gives the owner of a directory all rights to it. What is no directory stays as it is, a link too.
func openToOwner(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), 0o700)
}
