package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/store"
)

func TestOpenMakesFileAndDirectoryPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "registry.db")
	defer syscall.Umask(syscall.Umask(0))
	defer mustOpen(t, path).Close()
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestOpenTakesReadingFromOthers(t *testing.T) {
	path := filled(t, 1)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	defer mustOpen(t, path).Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir, path string) error
		want  string
	}{
		{"a directory that all may write to", func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "chmod 700"},
		{"a directory that its group may write to", func(dir, _ string) error { return os.Chmod(dir, 0o720) }, "chmod 700"},
		{"a symbolic link", func(_, path string) error { return os.Symlink("/dev/null", path) }, "symbolic link"},
		{"a directory as file", func(_, path string) error { return os.Mkdir(path, 0o700) }, "directory"},
		{"a pipe", func(_, path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a file"},
		{"a file as directory", func(dir, _ string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		}, "not a directory"},
		{"a directory of somebody else", func(dir, _ string) error { return chown(t, dir) }, "belongs to uid 4242"},
		{"a file of somebody else", func(_, path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), chown(t, path))
		}, "belongs to uid 4242"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasSuffix(c.name, "somebody else") && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir := filepath.Join(t.TempDir(), "state")
			path := filepath.Join(dir, "registry.db")
			if err := errors.Join(os.Mkdir(dir, 0o700), c.spoil(dir, path)); err != nil {
				t.Fatal(err)
			}
			d, err := Open(path, Options{})
			if err == nil {
				d.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want it to say %q", err, c.want)
			}
		})
	}
}

func chown(t *testing.T, path string) error {
	t.Helper()
	return os.Chown(path, 4242, -1)
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filled(t, 1)
	d := mustOpen(t, path)
	defer d.Close()
	began := time.Now()
	_, err := Open(path, Options{})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "another daemon is using "+path+"; stop it first") {
		t.Errorf("Open: %v", err)
	}
	if _, err := d.Update(t.Context(), func(tx store.Tx) error { return tx.Put("a", nil) }); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestSecondOpenWaitsForTheFirstToEnd(t *testing.T) {
	path := filled(t, 1)
	d := mustOpen(t, path)
	time.AfterFunc(100*time.Millisecond, func() { d.Close() })
	if err := mustOpen(t, path).Close(); err != nil {
		t.Error(err)
	}
}
