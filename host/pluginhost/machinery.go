package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxLinks is how many symbolic links a path may lead through, as for the kernel.
const maxLinks = 40

// places are all places that path depends on: each symbolic link on its way, by where it lies, and last what it leads to,
// of which the end need not exist. They are absolute and lead through no link themselves.
func places(path string) []string {
	var links []string
	at, todo := "/", parts(path)
	for len(todo) > 0 {
		next := filepath.Join(at, todo[0])
		todo = todo[1:]
		target, err := os.Readlink(next)
		if err != nil || len(links) == maxLinks {
			at = next
			continue
		}
		links = append(links, next)
		if filepath.IsAbs(target) {
			at = "/"
		}
		todo = append(parts(target), todo...)
	}
	return append(links, at)
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// lead is the place that path leads to, which need not exist.
func lead(path string) string {
	all := places(path)
	return all[len(all)-1]
}

// inode is what a file or directory is, whatever it is called.
type inode struct{ dev, ino uint64 }

func fileInode(f *os.File) (inode, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return inode{st.Dev, st.Ino}, err
}

func inodeOf(path string) (inode, bool) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return inode{}, false
	}
	return inode{st.Dev, st.Ino}, true
}

// lineage are the inodes of a place and of all that it lies in.
func lineage(place string) []inode {
	var all []inode
	for at := place; ; at = filepath.Dir(at) {
		if i, there := inodeOf(at); there {
			all = append(all, i)
		}
		if at == "/" {
			return all
		}
	}
}

// machinery are the places that no grant opens, by what their paths are: the daemon's own, and with writing also where
// its programs are.
func (h *Host) machinery(writing bool) []string {
	own := slices.Concat([]string{h.cfg.StateDir, h.cfg.SocketDir}, h.cfg.Own)
	if writing {
		own = append(own, h.cfg.Dir)
		if self, err := os.Executable(); err == nil {
			own = append(own, self)
		}
	}
	all := tunnel.Machinery()
	for _, path := range own {
		if path != "" {
			all = append(all, places(path)...)
		}
	}
	return all
}

// openGranted opens what a right to read or write opens, once and for all: the launcher gets this descriptor and never
// the path. It is judged by what was opened, which is where the path leads to now: nothing that is machinery, lies in it
// or holds it, by any name.
func (h *Host) openGranted(right tunnel.Right) (*os.File, error) {
	fd, err := unix.Open(right.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w; make it and restart the module", err)
	}
	f := os.NewFile(uintptr(fd), right.Path)
	if err := h.judge(f, right.Kind == tunnel.GrantWrite); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// judge says why what is open at f must not be opened to a module.
func (h *Host) judge(f *os.File, writing bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) // without links
	if err != nil {
		return err
	}
	is := inode{st.Dev, st.Ino}
	if now, there := inodeOf(path); !there || now != is {
		return fmt.Errorf("%s is being moved; restart the module when that is over", tunnel.Clean(path, 200))
	}
	return h.reserved(path, is, writing)
}

// reserved says why a place, which leads through no link and is that inode, must not be opened to a module: it is
// machinery, lies in it or holds it. The zero inode is one that is not there yet.
func (h *Host) reserved(path string, is inode, writing bool) error {
	above := lineage(path)
	for _, place := range h.machinery(writing) {
		of, there := inodeOf(place)
		if there && slices.Contains(above, of) || slices.Contains(lineage(place), is) {
			return tunnel.Finding{
				Code: tunnel.PolicyRefused, Message: fmt.Sprintf("it would open %s, which is no module's", tunnel.Clean(place, 200)),
				WayOut: "grant a narrower path",
			}
		}
	}
	return nil
}

// Grantable says why a grant would never open anything, whatever the module: it is of a place that is no module's. It is
// what a start asks again, of what lies there then. Where nothing does yet it may be granted: warning says that, or what
// else has it open less than it says to a process of that module that starts now.
func (h *Host) Grantable(name tunnel.Owner, g tunnel.Grant) (warning string, err error) {
	right, fs := tunnel.ParseGrant(g)
	if len(fs) > 0 {
		return "", fs.At("grant")
	}
	if refused, is := h.neverOpens(right); is {
		refused.Field, refused.Value = "grant", string(g)
		return "", tunnel.Findings{refused}
	}
	return h.hollow(name, right), nil
}

// neverOpens says that a right is to a place that is no module's, as far as that can be told.
func (h *Host) neverOpens(right tunnel.Right) (refused tunnel.Finding, is bool) {
	if right.Kind != tunnel.GrantRead && right.Kind != tunnel.GrantWrite {
		return refused, false
	}
	f, err := h.openGranted(right)
	if err == nil {
		f.Close()
	}
	if errors.Is(err, os.ErrNotExist) {
		err = h.reserved(lead(right.Path), inode{}, right.Kind == tunnel.GrantWrite)
	}
	return refused, errors.As(err, &refused) // of other errors another start may find it otherwise
}
