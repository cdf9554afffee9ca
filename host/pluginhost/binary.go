package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxBinary bounds what is read to hash one binary.
const maxBinary = 1 << 30

// unusable is why a binary cannot be a module, or why a start of it failed.
type unusable struct {
	reason  tunnel.Reason
	message string
	remedy  string
}

func (u *unusable) Error() string { return u.message }

// triedAgain is the remedy, or the end of it, of a failure that the host does not leave at that.
const triedAgain = "it is tried again"

// asked is the same for a binary that waits for acceptance: it is tried with an Accept, and then alone.
func (u *unusable) asked(name tunnel.Owner) *unusable {
	with := *u
	with.remedy = strings.Replace(u.remedy, triedAgain, fmt.Sprintf("culvert module accept %s tries it again", name), 1)
	return &with
}

// directory is the plugin directory, opened: what is read of it is read through this one descriptor.
type directory struct {
	file     *os.File
	allowOwn bool
}

// openDirectory opens the plugin directory, or says why it is not safe: it must be a real directory, root's (or the
// daemon's own user's, with allowOwn) and writable by nobody else, or another could put a module into it.
func openDirectory(path string, allowOwn bool) (*directory, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return nil, fmt.Errorf("the plugin directory %s is not a directory itself (a symbolic link is refused)", tunnel.Clean(path, 200))
		}
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	d := &directory{file: os.NewFile(uintptr(fd), path), allowOwn: allowOwn}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		d.Close()
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if why := d.unsafe(&st); why != "" {
		d.Close()
		return nil, fmt.Errorf("the plugin directory %s %s: chown root and chmod go-w make it safe", tunnel.Clean(path, 200), why)
	}
	return d, nil
}

// Close closes the descriptor.
func (d *directory) Close() error { return d.file.Close() }

// names are the entries, in no order.
func (d *directory) names() ([]string, error) {
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.file.Readdirnames(-1)
}

// open opens a module's binary if it is safe to run. What is hashed and executed later is this descriptor, never the
// name again. The error is an *unusable, or fs.ErrNotExist.
func (d *directory) open(name string) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	path := filepath.Join(d.file.Name(), name)
	// O_NONBLOCK: opening a fifo must not wait for its writer.
	fd, err := unix.Openat(int(d.file.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, st, unsafeBinary(path, "is a symbolic link", "put the file itself there")
	case errors.Is(err, unix.ENOENT):
		return nil, st, &os.PathError{Op: "open", Path: path, Err: err}
	case err != nil:
		return nil, st, &unusable{tunnel.BinaryBroken, fmt.Sprintf("%s cannot be opened: %v", tunnel.Clean(path, 200), err), "make it a file that the daemon may read and execute"}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, st, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := d.check(path, &st); err != nil {
		f.Close()
		return nil, st, err
	}
	return f, st, nil
}

func (d *directory) check(path string, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unsafeBinary(path, "is not a regular file", "put the module's binary there")
	}
	if why := d.unsafe(st); why != "" {
		return unsafeBinary(path, why, "chown root:root and chmod 755 "+tunnel.Clean(path, 200))
	}
	if st.Mode&0o111 == 0 {
		return &unusable{tunnel.BinaryBroken, tunnel.Clean(path, 200) + " is not executable", "chmod 755 " + tunnel.Clean(path, 200)}
	}
	if st.Size > maxBinary {
		return &unusable{tunnel.BinaryBroken, fmt.Sprintf("%s has %d bytes, more than any module needs", tunnel.Clean(path, 200), st.Size), "put the module's binary there"}
	}
	return nil
}

// unsafe says who besides root could change it, "" when nobody can.
func (d *directory) unsafe(st *unix.Stat_t) string {
	switch {
	case st.Uid != 0 && !(d.allowOwn && st.Uid == uint32(os.Geteuid())):
		return fmt.Sprintf("belongs to user %d, not to root", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Sprintf("is writable by others than its owner (mode %04o)", st.Mode&0o7777)
	}
	return ""
}

func unsafeBinary(path, why, remedy string) *unusable {
	return &unusable{tunnel.BinaryUnsafe, tunnel.Clean(path, 200) + " " + why, remedy}
}

// hash is the SHA-256, in hex, of what the descriptor holds.
func hash(ctx context.Context, f *os.File) (string, error) {
	h := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := io.CopyBuffer(h, io.LimitReader(untilDone{ctx, f}, maxBinary), make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
