package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	keySize        = 32
	credentialName = "registry-key" // of the systemd credential
	keyName        = "key"          // in the state directory
)

// Options say where the key may be, first come first.
type Options struct {
	CredentialsDir string // systemd's $CREDENTIALS_DIRECTORY; "" where there is none
	KeyFile        string // the key_file of the configuration; "" where there is none
	StateDir       string // where the key is made, as "key", if neither of the above has one
}

// Origin is where a key is from.
type Origin struct {
	Path string
	Made bool // at this start: secrets sealed before are unreadable
}

// Open finds the key and returns its Sealer. Key files must be ours or root's and
// closed to everybody else; a key is 32 bytes. A key file that is named but not
// there is an error: only STATE/key is ever made.
func Open(o Options) (*Sealer, error) {
	key, origin, err := find(o)
	if err != nil {
		return nil, fmt.Errorf("the registry's key: %w", err)
	}
	return newSealer(key, origin)
}

func find(o Options) ([]byte, Origin, error) {
	if o.CredentialsDir != "" {
		path := filepath.Join(o.CredentialsDir, credentialName)
		key, err := read(path, fromSystemd)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, Origin{Path: path}, err
		}
	}
	if o.KeyFile != "" {
		key, err := read(o.KeyFile, checkPrivate)
		return key, Origin{Path: o.KeyFile}, err
	}
	path := filepath.Join(o.StateDir, keyName)
	key, err := read(path, checkPrivate)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, Origin{Path: path}, err
	}
	key, err = create(path)
	return key, Origin{Path: path, Made: true}, err
}

// read reads the key at path, once check has nothing against the file.
func read(path string, check func(string, fs.FileInfo) error) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	key, err := io.ReadAll(io.LimitReader(f, keySize+1))
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("%s holds %d bytes and a key has %d: put the right file back, or make a new key with: head -c %[3]d /dev/urandom",
			path, info.Size(), keySize)
	}
	return key, err
}

// fromSystemd has nothing against a credential: systemd keeps its directory
// closed, and grants the service's user reading by an ACL that shows in the mode.
func fromSystemd(string, fs.FileInfo) error { return nil }

func checkPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o): chmod 600 %[1]s, and consider the key as known to them", path, mode)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); !ok || stat.Uid != 0 && int(stat.Uid) != uid {
		return fmt.Errorf("%s belongs to somebody else: chown %d %[1]s", path, uid)
	}
	return nil
}

// create makes a key at path. It is there whole or not at all, even after a power
// cut, since all that is sealed depends on it.
func create(path string) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, path); err != nil {
		return nil, err
	}
	return key, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
