package boltstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkDir makes the directory of path where it is missing, and refuses one that
// is not ours alone to write to: who can rename files there can replace the store.
func checkDir(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkOwner(dir, info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s can be written to by others (mode %04o): chmod 700 %[1]s", dir, mode)
	}
	return nil
}

func checkOwner(path string, info os.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner cannot be told", path)
	}
	if uid := os.Geteuid(); int(stat.Uid) != uid {
		return fmt.Errorf("%s belongs to uid %d and this process runs as uid %d: give it to that user (chown %[3]d %[1]s) or start as its owner",
			path, stat.Uid, uid)
	}
	return nil
}

// lockedFile is the file that bbolt works on. bbolt takes its lock, and does not
// let go of it where opening ends in a panic; release does then.
type lockedFile struct{ *os.File }

// open is bbolt's way to open the file.
func (l *lockedFile) open(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, mode)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link: put the file itself there", path)
	}
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.File = f
	return f, nil
}

// checkFile refuses what is not a file of ours, and takes from others the right
// to read it (a copy put back by hand often grants it).
func checkFile(path string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm() == 0o600 {
		return nil
	}
	return f.Chmod(0o600)
}

// release unlocks and closes the file behind bbolt's back; it does nothing where
// bbolt has closed it. The explicit unlock is needed because the mapping, which
// only bbolt can undo, keeps the open file and its lock alive.
func (l *lockedFile) release() {
	if l.File == nil {
		return
	}
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.Flock(int(fd), syscall.LOCK_UN) })
	}
	_ = l.Close()
}

// syncDir makes new names in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// inPlace says that the file at path is not the one we work on any more: what is
// written to ours would be gone with this process.
func (l *lockedFile) inPlace(path string) error {
	ours, err := l.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(path)
	if err == nil && os.SameFile(ours, there) {
		return nil
	}
	return fmt.Errorf("%s was removed or replaced while it was in use, and no change could be kept: put it back, or restart the daemon", path)
}
